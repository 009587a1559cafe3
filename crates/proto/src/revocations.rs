//! The revocation list: the claims of the JWS that `GET /revocations` answers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{AccessClaims, AccountId, Environment, KeyId, SessionId};

/// What was revoked within the longest life of an access token. Times are Unix seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RevocationList {
    /// The issuer, as in tokens.
    pub iss: String,
    /// The environment of the issuer.
    pub env: Environment,
    /// The start of the 30-second slot in which the list was made.
    pub iat: i64,
    /// When a copy of the list is too old to rely on: `iat` + 120.
    pub exp: i64,
    /// Sessions that ended before their time.
    #[serde(default)]
    pub sids: Vec<SessionId>,
    /// API keys that were revoked: none of their tokens holds.
    #[serde(default)]
    pub keys: Vec<KeyId>,
    /// Accounts whose tokens issued before the given second do not hold.
    #[serde(default)]
    pub uids: BTreeMap<AccountId, i64>,
    /// No token issued before this second holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issued_before: Option<i64>,
}

impl RevocationList {
    /// Whether the list revokes the token with these claims.
    pub fn revokes(&self, claims: &AccessClaims) -> bool {
        self.sids.contains(&claims.sid)
            || claims
                .client_id
                .parse()
                .is_ok_and(|key: KeyId| self.keys.contains(&key))
            || self
                .uids
                .get(&claims.uid)
                .is_some_and(|before| claims.iat < *before)
            || self.issued_before.is_some_and(|before| claims.iat < before)
    }
}
