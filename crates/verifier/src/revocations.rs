//! The revocation list, indexed so that a look-up costs the same however long it is.

use std::collections::{HashMap, HashSet};

use tm_auth_proto::{AccessClaims, AccountId, KeyId, RevocationList, SessionId};

use crate::Revoked;

/// A revocation list that was checked, in the form in which every token is held against it.
#[derive(Clone, Debug, Default)]
pub struct Revocations {
    sids: HashSet<SessionId>,
    keys: HashSet<KeyId>,
    uids: HashMap<AccountId, i64>,
    issued_before: Option<i64>,
}

impl From<RevocationList> for Revocations {
    fn from(list: RevocationList) -> Self {
        Self {
            sids: list.sids.into_iter().collect(),
            keys: list.keys.into_iter().collect(),
            uids: list.uids.into_iter().collect(),
            issued_before: list.issued_before,
        }
    }
}

impl Revocations {
    /// Why the token with these claims does not hold, if it does not. "Issued before" leaves a token of
    /// that very second alone.
    pub fn revoked(&self, claims: &AccessClaims) -> Option<Revoked> {
        let before = |limit: &i64| claims.iat < *limit;
        if self.sids.contains(&claims.sid) {
            Some(Revoked::Session)
        } else if self.revokes_key(&claims.client_id) {
            Some(Revoked::Key)
        } else if self.uids.get(&claims.uid).is_some_and(before) {
            Some(Revoked::Account)
        } else if self.issued_before.as_ref().is_some_and(before) {
            Some(Revoked::Everything)
        } else {
            None
        }
    }

    /// The number of sessions, keys and accounts on it.
    pub fn len(&self) -> usize {
        self.sids.len() + self.keys.len() + self.uids.len()
    }

    /// Whether no token at all is revoked.
    pub fn is_empty(&self) -> bool {
        self.len() == 0 && self.issued_before.is_none()
    }

    /// `client_id` is a key id only where a key minted the token.
    fn revokes_key(&self, client_id: &str) -> bool {
        client_id.parse().is_ok_and(|key| self.keys.contains(&key))
    }
}
