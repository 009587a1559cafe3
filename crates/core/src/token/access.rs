//! Access tokens (RFC 9068): a JWT that resource servers verify by themselves.

use jiff::{SignedDuration, Timestamp};
use tm_auth_proto::claims::{ACCESS_TOKEN_TYP, NATIVE_CLIENT};
use tm_auth_proto::{AccessClaims, Audience, Environment, KeyId, Scopes, SessionId, TmClaims};

use crate::person::{AuthMethod, Proof};
use crate::signing::SigningKey;
use crate::{Account, ApiKey};

/// Who issues tokens, and for whom.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// The public URL of the base path.
    pub url: String,
    /// The audience of platform tokens.
    pub audience: String,
    /// The environment.
    pub environment: Environment,
    /// How long access tokens live.
    pub access_ttl: SignedDuration,
}

/// How long a management token lives.
pub const MANAGEMENT_TTL: SignedDuration = SignedDuration::from_mins(5);

/// A signed access token and the instant at which it ends.
#[derive(Clone, Debug)]
pub struct AccessToken {
    /// The JWT.
    pub text: String,
    /// Its `exp`.
    pub expires_at: Timestamp,
}

impl Issuer {
    /// The claims of a platform token for a key's session. The token never outlives the key or the session.
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

    /// The claims of a person's platform token, which carries all scopes. It never outlives the session.
    pub fn person_claims(
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

    /// The claims of a management token: its only audience is the issuer, so no resource server takes it,
    /// and no platform token can manage credentials.
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

/// Signs claims.
pub fn sign(claims: &AccessClaims, key: &SigningKey) -> AccessToken {
    AccessToken {
        text: key.sign_jws(
            ACCESS_TOKEN_TYP,
            &serde_json::to_vec(claims).expect("claims are plain JSON"),
        ),
        expires_at: Timestamp::from_second(claims.exp).expect("computed from a timestamp"),
    }
}

/// The proof that a person's token tells of; `None` where a key minted it.
pub fn proof(claims: &AccessClaims) -> Option<Proof> {
    let [method] = claims.amr.as_slice() else {
        return None;
    };
    Some(Proof {
        method: AuthMethod::parse(method)?,
        at: Timestamp::from_second(claims.auth_time).ok()?,
    })
}

/// The key that minted a token, as its `client_id` has it; `None` where a person got it.
pub fn minting_key(claims: &AccessClaims) -> Option<KeyId> {
    claims.client_id.parse().ok()
}

#[cfg(test)]
mod tests;
