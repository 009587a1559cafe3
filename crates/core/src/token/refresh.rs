//! Refresh tokens: a JWT under a MAC key that only this service holds.
//!
//! The token carries the session's id, its secret and the counter that [`crate::rotation`] judges. The row
//! holds only the secret's hash, so neither a copy of the database nor the MAC key alone makes a token. All
//! other claims follow from the row, so the same counter always gives the same token, byte for byte: that is
//! how a lost answer is answered again.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tm_auth_proto::claims::REFRESH_TOKEN_TYP;
use tm_auth_proto::{CompactJws, Environment, SessionId};

use crate::Refusal;
use crate::rotation::Line;
use crate::secret::SessionSecret;
use crate::signing::MacKey;

/// The claims. Only [`Presented`] and [`issue`] see them.
#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    env: Environment,
    sid: SessionId,
    /// The counter.
    n: i64,
    /// The session's secret.
    sec: String,
    iat: i64,
    exp: i64,
}

/// A refresh token that this service made. Whether it is the newest, only its row can tell.
#[derive(Clone, Debug)]
pub struct Presented {
    /// The session.
    pub sid: SessionId,
    /// Its place in the session's line.
    pub counter: i64,
    /// To be compared with the row's hash.
    pub secret: SessionSecret,
}

/// The newest refresh token of a session whose line stands like this and which ends at `end` unless it is
/// refreshed.
pub fn issue(
    sid: SessionId,
    line: &Line,
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
        n: line.current,
        sec: secret.encode(),
        iat: line.rotated_at.as_second(),
        exp: end.as_second(),
    };
    key.sign_jws(
        REFRESH_TOKEN_TYP,
        &serde_json::to_vec(&claims).expect("claims are plain JSON"),
    )
}

/// What is known of a token before its MAC is checked: which key it names.
#[derive(Debug)]
pub struct Unverified<'a>(CompactJws<'a>);

impl<'a> Unverified<'a> {
    /// Takes a presented text apart. An access token, an Apple token or junk is refused here: the algorithm
    /// and the type are fixed (RFC 8725 sections 3.1 and 3.11).
    pub fn parse(text: &'a str) -> Result<Self, Refusal> {
        let jws = CompactJws::parse(text).map_err(|_| Refusal::InvalidRefreshToken)?;
        if jws.header.alg != MacKey::ALG || jws.header.typ.as_deref() != Some(REFRESH_TOKEN_TYP) {
            return Err(Refusal::InvalidRefreshToken);
        }
        Ok(Self(jws))
    }

    /// The MAC key it names. A claim, nothing more.
    pub fn kid(&self) -> Option<&str> {
        self.0.header.kid.as_deref()
    }

    /// Checks the MAC. Nothing of the token is looked at before, and no row is read for one that fails.
    pub fn verify(&self, key: &MacKey, issuer: &str, environment: Environment) -> Result<Presented, Refusal> {
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
        Ok(Presented {
            sid: claims.sid,
            counter: claims.n,
            secret,
        })
    }
}

#[cfg(test)]
mod tests;
