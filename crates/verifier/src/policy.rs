//! What a resource server expects of the claims of a token.

use tm_auth_proto::{AccessClaims, Environment};

use crate::InvalidToken;

/// The default leeway, in seconds.
pub const DEFAULT_LEEWAY: u8 = 10;
/// The longest permitted leeway, in seconds.
pub const MAX_LEEWAY: u8 = 60;

/// The expected issuer, audiences and environment, and the tolerated clock difference. Strings are
/// compared byte for byte.
#[derive(Clone, Debug)]
pub struct Policy {
    issuer: String,
    audiences: Vec<String>,
    sole_audience: bool,
    environment: Option<Environment>,
    leeway: i64,
}

/// The leeway, in seconds, is longer than [`MAX_LEEWAY`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a leeway is at most {MAX_LEEWAY} seconds, not {0}")]
pub struct LeewayTooLong(pub u8);

impl Policy {
    /// Expects this `iss`, and this audience in `aud`.
    pub fn new(issuer: impl Into<String>, audience: impl Into<String>) -> Self {
        Self {
            issuer: issuer.into(),
            audiences: vec![audience.into()],
            sole_audience: false,
            environment: None,
            leeway: i64::from(DEFAULT_LEEWAY),
        }
    }

    /// Accepts this audience too.
    #[must_use]
    pub fn add_audience(mut self, audience: impl Into<String>) -> Self {
        self.audiences.push(audience.into());
        self
    }

    /// Rejects tokens that also have another audience. A service that manages credentials requires
    /// this, so that a token that is also sent to other services cannot manage credentials.
    #[must_use]
    pub fn sole_audience(mut self) -> Self {
        self.sole_audience = true;
        self
    }

    /// Expects this `env`. By default both environments are accepted.
    #[must_use]
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = Some(environment);
        self
    }

    /// Tolerates clocks that differ by this many seconds: 0 to [`MAX_LEEWAY`], by default
    /// [`DEFAULT_LEEWAY`].
    pub fn leeway(mut self, seconds: u8) -> Result<Self, LeewayTooLong> {
        if seconds > MAX_LEEWAY {
            return Err(LeewayTooLong(seconds));
        }
        self.leeway = i64::from(seconds);
        Ok(self)
    }

    /// Returns the expected issuer.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// RFC 8725 section 3.8, RFC 9068 section 4: the issuer "MUST exactly match".
    pub(crate) fn check_issuer(&self, iss: &str) -> Result<(), InvalidToken> {
        ensure(iss == self.issuer, InvalidToken::WrongIssuer)
    }

    /// RFC 9068 section 4: the token "MUST be rejected if "aud" does not contain a resource
    /// indicator of the current resource server as a valid audience".
    pub(crate) fn check_audience(&self, claims: &AccessClaims) -> Result<(), InvalidToken> {
        let fits = self.audiences.iter().any(|audience| {
            if self.sole_audience {
                claims.aud.is_exactly(audience)
            } else {
                claims.aud.contains(audience)
            }
        });
        ensure(fits, InvalidToken::WrongAudience)
    }

    pub(crate) fn check_environment(&self, env: Environment) -> Result<(), InvalidToken> {
        ensure(
            self.environment.is_none_or(|expected| expected == env),
            InvalidToken::WrongEnvironment,
        )
    }

    /// RFC 7519 section 4.1.4: "the current date/time MUST be before the expiration date/time".
    pub(crate) fn check_expiry(&self, exp: i64, now: i64) -> Result<(), InvalidToken> {
        ensure(now < exp.saturating_add(self.leeway), InvalidToken::Expired)
    }

    /// RFC 7519 section 4.1.5: "the current date/time MUST be after or equal to the not-before
    /// date/time".
    pub(crate) fn check_not_before(&self, nbf: i64, now: i64) -> Result<(), InvalidToken> {
        ensure(self.is_past(nbf, now), InvalidToken::NotYetValid)
    }

    /// An `iat` in the future means that a clock is wrong or that the time is made up.
    pub(crate) fn check_issued_at(&self, iat: i64, now: i64) -> Result<(), InvalidToken> {
        ensure(self.is_past(iat, now), InvalidToken::IssuedInFuture)
    }

    fn is_past(&self, at: i64, now: i64) -> bool {
        at <= now.saturating_add(self.leeway)
    }
}

fn ensure(condition: bool, error: InvalidToken) -> Result<(), InvalidToken> {
    if condition { Ok(()) } else { Err(error) }
}
