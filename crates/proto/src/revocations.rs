//! The revocation list: the claims of the JWS that `GET /revocations` returns.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{AccessClaims, AccountId, Environment, KeyId, SessionId};

/// Recent revocations. An entry stays in the list until every token that it concerns has expired.
/// Times are Unix seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RevocationList {
    /// Issuer, as in access tokens.
    pub iss: String,
    /// Environment of the issuer.
    pub env: Environment,
    /// Start of the 30-second slot in which the list was issued.
    pub iat: i64,
    /// When verifiers must stop relying on this copy of the list: `iat` + 120.
    pub exp: i64,
    /// Ended sessions. All of their tokens are revoked.
    #[serde(default)]
    pub sids: Vec<SessionId>,
    /// Revoked and disabled API keys. All tokens that they minted are revoked.
    #[serde(default)]
    pub keys: Vec<KeyId>,
    /// Accounts, each with a time. The account's tokens issued before that second are revoked.
    #[serde(default)]
    pub uids: BTreeMap<AccountId, i64>,
    /// All tokens issued before this second are revoked.
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

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::{Audience, OrganizationId, TmClaims};

    fn list() -> RevocationList {
        RevocationList {
            iss: "https://issuer.example".into(),
            env: Environment::Uat,
            iat: 1000,
            exp: 1120,
            sids: Vec::new(),
            keys: Vec::new(),
            uids: BTreeMap::new(),
            issued_before: None,
        }
    }

    fn claims() -> AccessClaims {
        AccessClaims {
            iss: "https://issuer.example".into(),
            sub: "alice@example.com".into(),
            aud: Audience::One("https://api.example".into()),
            iat: 1000,
            nbf: None,
            exp: 4600,
            jti: "1".into(),
            client_id: key(1).to_string(),
            scope: "read".into(),
            uid: AccountId(Uuid::from_u128(1)),
            tm: TmClaims {
                organization_id: OrganizationId(Uuid::from_u128(1)),
            },
            sid: SessionId(Uuid::from_u128(1)),
            auth_time: 1000,
            amr: Vec::new(),
            env: Environment::Uat,
        }
    }

    fn key(number: u8) -> KeyId {
        KeyId::generate(Environment::Uat, [number; 16])
    }

    #[test]
    fn c10_a_token_is_revoked_by_session_key_account_or_issue_time() {
        let revokes = |change: fn(&mut RevocationList)| {
            let mut list = list();
            change(&mut list);
            list.revokes(&claims())
        };
        assert!(!revokes(|_| ()));
        assert!(revokes(|list| list.sids = vec![claims().sid]));
        assert!(!revokes(|list| list.sids = vec![SessionId(Uuid::from_u128(2))]));
        assert!(revokes(|list| list.keys = vec![key(1)]));
        assert!(!revokes(|list| list.keys = vec![key(2)]));
        // A token issued in the given second is not revoked.
        assert!(revokes(|list| list.uids = [(claims().uid, 1001)].into()));
        assert!(!revokes(|list| list.uids = [(claims().uid, 1000)].into()));
        assert!(!revokes(
            |list| list.uids = [(AccountId(Uuid::from_u128(2)), 1001)].into()
        ));
        assert!(revokes(|list| list.issued_before = Some(1001)));
        assert!(!revokes(|list| list.issued_before = Some(1000)));
    }

    #[test]
    fn c10_a_users_token_is_not_revoked_by_a_key() {
        let list = RevocationList {
            keys: vec![key(1)],
            ..list()
        };
        let claims = AccessClaims {
            client_id: crate::claims::NATIVE_CLIENT.into(),
            ..claims()
        };
        assert!(!list.revokes(&claims));
    }
}
