//! `[tokens]`, `[sessions]`, `[challenge]`: how long what lives, and how it is signed.

use serde::Deserialize;

use super::error::{ConfigError, within};
use super::public_url::PublicUrl;

/// The longest life of an access token, seconds. What outlives tokens (a retired key, an entry of
/// the revocation list) is measured by it: tokens of an earlier configuration are about too.
pub const MAX_ACCESS_TTL_SECONDS: u32 = 3600;

/// How access tokens are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize)]
pub enum SigningAlgorithm {
    /// RSA-2048 with SHA-256: the documented form, cheapest to verify.
    #[default]
    RS256,
    /// ECDSA on P-256: cheap to sign.
    ES256,
    /// Ed25519: cheapest to sign.
    EdDSA,
}

impl SigningAlgorithm {
    /// The JOSE name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::ES256 => "ES256",
            Self::EdDSA => "EdDSA",
        }
    }
}

/// Access tokens.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tokens {
    /// How they are signed.
    pub algorithm: SigningAlgorithm,
    /// Their life, seconds. Clients refresh five minutes before the end, so under 600 they would
    /// refresh all the time.
    pub access_ttl_seconds: u32,
    /// `aud`; none: the origin of the public URL. Read it through
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
        // A token for this audience manages credentials; platform tokens must never have it.
        if audience.trim_end_matches('/') == public_url.as_str() {
            return refuse(
                "is the issuer URL, which marks tokens for managing credentials; write another, or leave it out",
            );
        }
        Ok(())
    }
}

/// Sessions that API keys open.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Sessions {
    /// Days without a refresh after which a session is over.
    pub idle_days: u32,
    /// Days after which it is over anyway.
    pub max_days: u32,
    /// Seconds within which an exchanged refresh token still gives the same successor.
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

/// Signed requests for tokens.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Challenge {
    /// Seconds that a request's timestamp may be away from the server's clock, inclusive.
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
