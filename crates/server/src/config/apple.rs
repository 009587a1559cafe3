//! `[apple]`: Sign in with Apple. Without this section it is not offered.

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
use super::secret_file::SecretFiles;

/// The default of `apple.issuer`.
const ISSUER: &str = "https://appleid.apple.com";

/// The identifiers of this service at Apple, and its private key.
#[derive(Clone, Debug)]
pub struct Apple {
    /// The Services ID: the client id in OAuth, and the audience of ID tokens.
    pub client_id: String,
    /// The audience of Apple's notifications, if it is an App ID other than `client_id`.
    pub app_id: Option<String>,
    /// The id of the developer team.
    pub team_id: String,
    /// Apple's id of `private_key`.
    pub key_id: String,
    /// Signs the client secret.
    pub private_key: P8Key,
    /// Apple's issuer URL: an origin without a trailing slash.
    pub issuer: String,
}

impl Apple {
    /// Uses Apple's issuer URL and no App ID.
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
            // Loopback only: the client secret and ID tokens must not cross a network unencrypted.
            "http" if environment == Environment::Uat && is_loopback(host) => Ok(()),
            _ => refuse("is not https; plain http is allowed for a loopback host in uat only"),
        }
    }
}

/// The private key from Apple's `.p8` file: PKCS #8 in PEM, P-256.
#[derive(Clone)]
pub struct P8Key(Arc<EcdsaKeyPair>);

impl P8Key {
    /// The key pair, to sign with.
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
        let not_one = || "is not a .p8 file from Apple (PKCS #8 in PEM, P-256)".to_owned();
        let der = PrivatePkcs8KeyDer::from_pem_slice(text.as_bytes()).map_err(|_| not_one())?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_pkcs8_der());
        pair.map(|pair| Self(Arc::new(pair))).map_err(|_| not_one())
    }
}

/// The section `[apple]` as it is parsed.
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
    /// Reads the private key from its value or file.
    pub(super) fn fetch(self, files: &SecretFiles) -> Result<Apple, ConfigError> {
        let key = secret::parsed(
            files,
            "apple.private_key",
            self.private_key,
            self.private_key_file,
        )?;
        let key = key.ok_or_else(|| {
            ConfigError::at(
                "apple.private_key_file",
                "is missing; name the .p8 file from Apple",
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
