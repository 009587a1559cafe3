//! Access tokens (RFC 9068): JWTs that resource servers verify on their own.
//!
//! 1. [`Issuer`] builds the claims (RFC 9068 section 2.2). There are three kinds of token: a
//!    platform token of an API key, a platform token of a user, and a management token of a user.
//! 2. [`sign`] signs them with the current signing key.
//! 3. If a token comes back to this service, [`proof`] or [`minting_key`] reads from its verified
//!    claims who authenticated.

use jiff::{SignedDuration, Timestamp};
use tm_auth_proto::claims::{ACCESS_TOKEN_TYP, NATIVE_CLIENT};
use tm_auth_proto::{AccessClaims, Audience, Environment, KeyId, Scopes, SessionId, TmClaims};

use crate::signing::SigningKey;
use crate::user::{AuthMethod, Proof};
use crate::{Account, ApiKey};

/// The issuer of this service's access tokens.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// Issuer identifier: the public URL of the service's base path.
    pub url: String,
    /// Audience of platform tokens.
    pub audience: String,
    /// Environment of the service.
    pub environment: Environment,
    /// Lifetime of platform tokens.
    pub access_ttl: SignedDuration,
}

/// The longest lifetime of a platform token that can be configured, in seconds.
pub const MAX_TTL_SECONDS: u32 = 3600;

/// Lifetime of management tokens.
pub const MANAGEMENT_TTL: SignedDuration = SignedDuration::from_mins(5);

/// A signed access token.
#[derive(Clone, Debug)]
pub struct AccessToken {
    /// Compact serialization of the JWT.
    pub text: String,
    /// The `exp` claim.
    pub expires_at: Timestamp,
}

impl Issuer {
    /// Step 1 for an API key: claims of a platform token. The token expires no later than the key
    /// and the session, which expires at `end`.
    pub fn platform_claims(
        &self,
        key: &ApiKey,
        sid: SessionId,
        auth_time: Timestamp,
        end: Timestamp,
        jti: [u8; 16],
        now: Timestamp,
    ) -> AccessClaims {
        let end = end.min(key.expires_at.unwrap_or(end));
        AccessClaims {
            aud: Audience::One(self.audience.clone()),
            client_id: key.key_id.to_string(),
            scope: key.scopes.to_string(),
            exp: (now + self.access_ttl).min(end).as_second(),
            ..self.claims(&key.account, sid, auth_time, jti, now)
        }
    }

    /// Step 1 for a user: claims of a platform token, which has all scopes. The token expires no
    /// later than the session, which expires at `end`.
    pub fn user_claims(
        &self,
        account: &Account,
        sid: SessionId,
        proof: Proof,
        end: Timestamp,
        jti: [u8; 16],
        now: Timestamp,
    ) -> AccessClaims {
        AccessClaims {
            aud: Audience::One(self.audience.clone()),
            scope: Scopes::ALL.to_string(),
            exp: (now + self.access_ttl).min(end).as_second(),
            amr: vec![proof.method.as_str().to_owned()],
            ..self.claims(account, sid, proof.at, jti, now)
        }
    }

    /// Step 1 for a user: claims of a management token. Its only audience is the issuer, so
    /// resource servers refuse it (RFC 9068 section 4), and this service refuses to manage
    /// credentials with any other token.
    pub fn management_claims(
        &self,
        account: &Account,
        sid: SessionId,
        proof: Proof,
        jti: [u8; 16],
        now: Timestamp,
    ) -> AccessClaims {
        AccessClaims {
            aud: Audience::One(self.url.clone()),
            exp: (now + MANAGEMENT_TTL).as_second(),
            amr: vec![proof.method.as_str().to_owned()],
            ..self.claims(account, sid, proof.at, jti, now)
        }
    }

    fn claims(
        &self,
        account: &Account,
        sid: SessionId,
        auth_time: Timestamp,
        jti: [u8; 16],
        now: Timestamp,
    ) -> AccessClaims {
        AccessClaims {
            iss: self.url.clone(),
            sub: account.subject(),
            aud: Audience::Many(Vec::new()),
            iat: now.as_second(),
            nbf: None,
            exp: now.as_second(),
            jti: uuid::Builder::from_random_bytes(jti).into_uuid().to_string(),
            client_id: NATIVE_CLIENT.to_owned(),
            scope: Scopes::NONE.to_string(),
            uid: account.uid,
            tm: TmClaims {
                organization_id: account.organization_id,
            },
            sid,
            auth_time: auth_time.as_second(),
            amr: Vec::new(),
            env: self.environment,
        }
    }
}

/// Step 2: signs the claims.
pub fn sign(claims: &AccessClaims, key: &SigningKey) -> AccessToken {
    AccessToken {
        text: key.sign_jws(
            ACCESS_TOKEN_TYP,
            &serde_json::to_vec(claims).expect("claims serialize to JSON"),
        ),
        expires_at: Timestamp::from_second(claims.exp).expect("`exp` was computed from a timestamp"),
    }
}

/// Step 3: how and when the user authenticated; `None` if an API key minted the token.
pub fn proof(claims: &AccessClaims) -> Option<Proof> {
    let [method] = claims.amr.as_slice() else {
        return None;
    };
    Some(Proof {
        method: AuthMethod::parse(method)?,
        at: Timestamp::from_second(claims.auth_time).ok()?,
    })
}

/// Step 3: the API key that minted the token; `None` if a user logged in for it.
pub fn minting_key(claims: &AccessClaims) -> Option<KeyId> {
    claims.client_id.parse().ok()
}

#[cfg(test)]
mod tests;
