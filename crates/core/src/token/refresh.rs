//! Refresh tokens: JWTs with a MAC under a key that only this service has.
//!
//! A token carries the session's id and secret, and the counter that [`crate::rotation`] judges.
//! The session's row has only the hash of the secret, so neither a copy of the database nor the MAC
//! key is enough to forge a token.
//!
//! 1. [`issue`] builds a token from the session's row and secret. The same row always gives the
//!    same token, byte for byte, so that a lost response can be repeated.
//! 2. [`Unverified::parse`] parses a presented token and fixes its algorithm and type.
//! 3. [`Unverified::verify`] verifies the MAC, then environment, issuer and audience.
//! 4. The store reads the session's row and compares the secret with its hash.
//! 5. [`crate::rotation::decide`] judges the counter.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tm_auth_proto::claims::REFRESH_TOKEN_TYP;
use tm_auth_proto::{CompactJws, Environment, SessionId};

use crate::Refusal;
use crate::rotation::TokenFamily;
use crate::secret::SessionSecret;
use crate::signing::MacKey;

/// Claims of a refresh token.
#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    env: Environment,
    sid: SessionId,
    /// Counter of the token in its family.
    n: i64,
    /// Secret of the session.
    sec: String,
    iat: i64,
    exp: i64,
}

/// Result of [`Unverified::verify`]: a refresh token that this service issued. Steps 4 and 5 decide
/// whether it is still usable.
#[derive(Clone, Debug)]
pub struct VerifiedRefreshToken {
    /// Session of the token.
    pub sid: SessionId,
    /// Counter of the token in its family.
    pub counter: i64,
    /// Secret to compare with the hash in the session's row.
    pub secret: SessionSecret,
}

/// Step 1: issues the newest refresh token of a session. `end` is when the session expires unless
/// it is refreshed before.
pub fn issue(
    sid: SessionId,
    family: &TokenFamily,
    end: Timestamp,
    secret: &SessionSecret,
    issuer: &str,
    environment: Environment,
    key: &MacKey,
) -> String {
    let claims = Claims {
        iss: issuer.to_owned(),
        aud: issuer.to_owned(),
        env: environment,
        sid,
        n: family.current,
        sec: secret.encode(),
        iat: family.rotated_at.as_second(),
        exp: end.as_second(),
    };
    key.sign_jws(
        REFRESH_TOKEN_TYP,
        &serde_json::to_vec(&claims).expect("claims serialize to JSON"),
    )
}

/// A presented token whose MAC is not verified yet. Only its key id can be read.
#[derive(Debug)]
pub struct Unverified<'a>(CompactJws<'a>);

impl<'a> Unverified<'a> {
    /// Step 2: parses a presented token. The token cannot choose the algorithm (RFC 8725 section
    /// 3.1), and explicit typing keeps other kinds of JWT out (RFC 8725 section 3.11).
    pub fn parse(text: &'a str) -> Result<Self, Refusal> {
        let jws = CompactJws::parse(text).map_err(|_| Refusal::InvalidRefreshToken)?;
        if jws.header.alg != MacKey::ALG || jws.header.typ.as_deref() != Some(REFRESH_TOKEN_TYP) {
            return Err(Refusal::InvalidRefreshToken);
        }
        Ok(Self(jws))
    }

    /// Id of the MAC key that the token claims to use.
    pub fn kid(&self) -> Option<&str> {
        self.0.header.kid.as_deref()
    }

    /// Step 3: verifies the MAC, then the claims. Nothing else in the token is used before the MAC
    /// is verified.
    pub fn verify(
        &self,
        key: &MacKey,
        issuer: &str,
        environment: Environment,
    ) -> Result<VerifiedRefreshToken, Refusal> {
        if self.kid() != Some(key.kid()) || !key.verifies(self.0.signing_input, &self.0.signature) {
            return Err(Refusal::InvalidRefreshToken);
        }
        let claims: Claims =
            serde_json::from_slice(&self.0.payload).map_err(|_| Refusal::InvalidRefreshToken)?;
        if claims.env != environment {
            return Err(Refusal::WrongEnvironment {
                here: environment,
                theirs: claims.env,
            });
        }
        if claims.iss != issuer || claims.aud != issuer {
            return Err(Refusal::InvalidRefreshToken);
        }
        let secret = SessionSecret::decode(&claims.sec).ok_or(Refusal::InvalidRefreshToken)?;
        Ok(VerifiedRefreshToken {
            sid: claims.sid,
            counter: claims.n,
            secret,
        })
    }
}

#[cfg(test)]
mod tests;
