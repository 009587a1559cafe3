//! Revocation lists, indexed so that a look-up costs the same however long they are.

use std::collections::HashMap;

use tm_auth_proto::{AccessClaims, AccountId, KeyId, RevocationList, SessionId};

use crate::Revoked;

/// How long a revocation that was seen holds on after the last list that had it, in seconds: the longest
/// life of an access token (3600 s), and what the issuer adds for clocks that differ.
pub const REVOCATION_RETENTION: i64 = 3600 + 120;

/// What the lists seen so far revoke.
///
/// A revocation is never taken back while a token exists that it could be about, even if a later list
/// lacks it: a node of the issuer that lost its database goes on signing the list it remembers, and the
/// verifier may be sent to it in turn with the others.
#[derive(Clone, Debug, Default)]
pub struct Revocations {
    iat: i64,
    sids: HashMap<SessionId, Seen>,
    keys: HashMap<KeyId, Seen>,
    uids: HashMap<AccountId, (IssuedBefore, Seen)>,
    issued_before: Option<IssuedBefore>,
}

/// `iat` of the last list that had the entry.
type Seen = i64;
/// A second: tokens issued in it hold, earlier ones do not.
type IssuedBefore = i64;

impl From<RevocationList> for Revocations {
    fn from(list: RevocationList) -> Self {
        let mut revocations = Self::default();
        revocations.add(list);
        revocations
    }
}

impl Revocations {
    /// These and those of a list that is not older; `None` if it is. A list of the same age counts: within
    /// one slot of its clock the issuer adds to it.
    pub fn updated_with(&self, list: RevocationList) -> Option<Self> {
        if list.iat < self.iat {
            return None;
        }
        let mut both = self.clone();
        both.add(list);
        Some(both)
    }

    /// Why the token with these claims does not hold, if it does not.
    pub fn revoked(&self, claims: &AccessClaims) -> Option<Revoked> {
        let before = |limit: IssuedBefore| claims.iat < limit;
        if self.sids.contains_key(&claims.sid) {
            Some(Revoked::Session)
        } else if self.revokes_key(&claims.client_id) {
            Some(Revoked::Key)
        } else if self
            .uids
            .get(&claims.uid)
            .is_some_and(|(limit, _)| before(*limit))
        {
            Some(Revoked::Account)
        } else if self.issued_before.is_some_and(before) {
            Some(Revoked::Everything)
        } else {
            None
        }
    }

    /// The number of sessions, keys and accounts.
    pub fn len(&self) -> usize {
        self.sids.len() + self.keys.len() + self.uids.len()
    }

    /// Whether no token at all is revoked.
    pub fn is_empty(&self) -> bool {
        self.len() == 0 && self.issued_before.is_none()
    }

    fn add(&mut self, list: RevocationList) {
        let seen = list.iat;
        self.iat = seen;
        self.sids.extend(list.sids.into_iter().map(|sid| (sid, seen)));
        self.keys.extend(list.keys.into_iter().map(|key| (key, seen)));
        for (uid, limit) in list.uids {
            let entry = self.uids.entry(uid).or_default();
            *entry = (entry.0.max(limit), seen);
        }
        self.issued_before = self.issued_before.max(list.issued_before);

        let matters = |at: Seen| at.saturating_add(REVOCATION_RETENTION) > seen;
        self.sids.retain(|_, at| matters(*at));
        self.keys.retain(|_, at| matters(*at));
        self.uids.retain(|_, (_, at)| matters(*at));
    }

    /// `client_id` is a key id only where a key minted the token.
    fn revokes_key(&self, client_id: &str) -> bool {
        client_id.parse().is_ok_and(|key| self.keys.contains_key(&key))
    }
}
