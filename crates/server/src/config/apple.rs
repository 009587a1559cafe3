//! `[apple]`: Sign in with Apple. Without the section the way is not offered.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use http::Uri;
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject;
use serde::Deserialize;
use tm_auth_proto::Environment;

use super::error::ConfigError;
use super::public_url::{is_host, is_loopback};
use super::secret;

/// Apple's own.
const ISSUER: &str = "https://appleid.apple.com";

/// What Apple knows this service by, and the key that proves it.
#[derive(Clone, Debug)]
pub struct Apple {
    /// The Services ID: the OAuth client, and the audience of ID tokens.
    pub client_id: String,
    /// The App ID that notifications are addressed to, where it is not the Services ID.
    pub app_id: Option<String>,
    /// The developer team.
    pub team_id: String,
    /// Which of the team's keys `private_key` is.
    pub key_id: String,
    /// Signs the client secret.
    pub private_key: P8Key,
    /// Where Apple is; an origin without a slash at its end.
    pub issuer: String,
}

impl Apple {
    /// With Apple's own issuer.
    pub fn new(client_id: &str, team_id: &str, key_id: &str, private_key: P8Key) -> Self {
        Self {
            client_id: client_id.to_owned(),
            app_id: None,
            team_id: team_id.to_owned(),
            key_id: key_id.to_owned(),
            private_key,
            issuer: ISSUER.to_owned(),
        }
    }

    pub(super) fn check(&self, environment: Environment) -> Result<(), ConfigError> {
        for (key, id) in [
            ("apple.client_id", Some(&self.client_id)),
            ("apple.app_id", self.app_id.as_ref()),
        ] {
            let is_id = |id: &String| {
                let reversed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-');
                !id.is_empty() && id.len() <= 255 && id.bytes().all(reversed)
            };
            if id.is_some_and(|id| !is_id(id)) {
                return Err(ConfigError::at(
                    key,
                    "is not an identifier; write it like co.truemarkets.auth",
                ));
            }
        }
        for (key, id) in [("apple.team_id", &self.team_id), ("apple.key_id", &self.key_id)] {
            let is_one = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit();
            if id.len() != 10 || !id.bytes().all(is_one) {
                return Err(ConfigError::at(
                    key,
                    "is not ten capital letters and digits; copy it from Apple's developer pages",
                ));
            }
        }
        self.check_issuer(environment)
    }

    fn check_issuer(&self, environment: Environment) -> Result<(), ConfigError> {
        let refuse = |problem: &str| Err(ConfigError::at("apple.issuer", problem));
        let uri: Uri = match self.issuer.parse() {
            Ok(uri) => uri,
            Err(_) => return refuse("is not a URL; leave it out for Apple's own"),
        };
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return refuse("is not an absolute URL; leave it out for Apple's own");
        };
        let host = authority.host();
        let port = authority
            .port_u16()
            .map(|port| format!(":{port}"))
            .unwrap_or_default();
        if !is_host(host) || self.issuer != format!("{scheme}://{host}{port}") {
            return refuse("is more than scheme, host and port; write it like https://appleid.apple.com");
        }
        match scheme {
            "https" => Ok(()),
            // The client secret and ID tokens would cross a network in the clear.
            "http" if environment == Environment::Uat && is_loopback(host) => Ok(()),
            _ => refuse("is not https; plain http is allowed for a loopback host in uat only"),
        }
    }
}

/// The private key that Apple hands out as a `.p8` file: PKCS #8 in PEM, P-256.
#[derive(Clone)]
pub struct P8Key(Arc<EcdsaKeyPair>);

impl P8Key {
    /// The key, for signing.
    pub fn expose(&self) -> &EcdsaKeyPair {
        &self.0
    }
}

impl fmt::Debug for P8Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("P8Key(…)")
    }
}

impl FromStr for P8Key {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let not_one = || "is not the .p8 file that Apple handed out (PKCS #8 in PEM, P-256)".to_owned();
        let der = PrivatePkcs8KeyDer::from_pem_slice(text.as_bytes()).map_err(|_| not_one())?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_pkcs8_der());
        pair.map(|pair| Self(Arc::new(pair))).map_err(|_| not_one())
    }
}

/// `[apple]` as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AppleSource {
    client_id: String,
    app_id: Option<String>,
    team_id: String,
    key_id: String,
    private_key: Option<String>,
    private_key_file: Option<PathBuf>,
    issuer: Option<String>,
}

impl AppleSource {
    /// Turns value or file into the key.
    pub(super) fn fetch(self) -> Result<Apple, ConfigError> {
        let key = secret::parsed("apple.private_key", self.private_key, self.private_key_file)?;
        let key = key.ok_or_else(|| {
            ConfigError::at(
                "apple.private_key_file",
                "is missing; name the .p8 file that Apple handed out with the key",
            )
        })?;
        let apple = Apple::new(&self.client_id, &self.team_id, &self.key_id, key);
        Ok(Apple {
            app_id: self.app_id,
            issuer: self.issuer.unwrap_or(apple.issuer),
            ..apple
        })
    }
}
