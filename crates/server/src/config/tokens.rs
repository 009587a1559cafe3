//! `[tokens]`, `[sessions]`, `[challenge]`: signature and lifetime of access tokens, lifetimes of
//! sessions, and the age limit of signed requests.

use serde::Deserialize;

use super::error::{ConfigError, within};
use super::public_url::PublicUrl;

/// The longest lifetime of an access token that can be configured, in seconds. Retired signing keys
/// and entries of the revocation list are kept at least this long, because unexpired tokens may
/// come from an earlier configuration.
pub const MAX_ACCESS_TTL_SECONDS: u32 = tm_auth_core::token::access::MAX_TTL_SECONDS;

/// The signature algorithm of access tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
pub enum SigningAlgorithm {
    /// RSA-2048 with SHA-256: the default, and cheapest to verify.
    #[default]
    RS256,
    /// ECDSA on P-256: cheap to sign.
    ES256,
    /// Ed25519: cheapest to sign.
    EdDSA,
}

impl SigningAlgorithm {
    /// The algorithm's name in JOSE.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::ES256 => "ES256",
            Self::EdDSA => "EdDSA",
        }
    }
}

/// The section `[tokens]`: access tokens.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tokens {
    /// The algorithm of new signing keys.
    pub algorithm: SigningAlgorithm,
    /// Lifetime in seconds. At least 600, because clients refresh five minutes before a token
    /// expires.
    pub access_ttl_seconds: u32,
    /// The `aud` of platform tokens. `None`: the origin of the public URL. Read it through
    /// [`Config::audience`](super::Config::audience).
    pub audience: Option<String>,
}

impl Default for Tokens {
    fn default() -> Self {
        Self {
            algorithm: SigningAlgorithm::default(),
            access_ttl_seconds: MAX_ACCESS_TTL_SECONDS,
            audience: None,
        }
    }
}

impl Tokens {
    /// True if access tokens expire before some clients renew them. There are public clients that
    /// keep a token for 55 to 58 minutes without reading its lifetime.
    pub fn expire_before_clients_renew(&self) -> bool {
        self.access_ttl_seconds < MAX_ACCESS_TTL_SECONDS
    }

    pub(super) fn check(&self, public_url: &PublicUrl) -> Result<(), ConfigError> {
        within(
            "tokens.access_ttl_seconds",
            self.access_ttl_seconds,
            600,
            MAX_ACCESS_TTL_SECONDS,
        )?;
        let Some(audience) = &self.audience else {
            return Ok(());
        };
        let refuse = |problem: &str| Err(ConfigError::at("tokens.audience", problem));
        if audience.is_empty() || audience.len() > 255 || !audience.bytes().all(|b| b.is_ascii_graphic()) {
            return refuse(
                "must be 1 to 255 visible ASCII characters; write a URL, or leave it out for the origin of `public_url`",
            );
        }
        // A management token has this audience, so a platform token must not have it.
        if audience.trim_end_matches('/') == public_url.as_str() {
            return refuse(
                "is the issuer URL, which marks management tokens; write another, or leave it out",
            );
        }
        Ok(())
    }
}

/// The section `[sessions]`: sessions that API keys open.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sessions {
    /// Days without a refresh after which a session expires.
    pub idle_days: u32,
    /// Days after which a session expires in any case.
    pub max_days: u32,
    /// Seconds for which an exchanged refresh token still gets the same successor.
    pub reuse_grace_seconds: u32,
}

impl Default for Sessions {
    fn default() -> Self {
        Self {
            idle_days: 30,
            max_days: 365,
            reuse_grace_seconds: 90,
        }
    }
}

impl Sessions {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        within("sessions.idle_days", self.idle_days, 1, 365)?;
        within("sessions.max_days", self.max_days, 1, 365)?;
        within("sessions.reuse_grace_seconds", self.reuse_grace_seconds, 0, 300)?;
        if self.idle_days > self.max_days {
            return Err(ConfigError::at(
                "sessions.idle_days",
                "is longer than `sessions.max_days`; write fewer days",
            ));
        }
        Ok(())
    }
}

/// The section `[challenge]`: signed requests for tokens.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Challenge {
    /// Largest difference between a request's timestamp and the server's clock, in seconds, either
    /// way.
    pub skew_seconds: u32,
}

impl Default for Challenge {
    fn default() -> Self {
        Self { skew_seconds: 30 }
    }
}

impl Challenge {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        within("challenge.skew_seconds", self.skew_seconds, 5, 60)
    }
}
