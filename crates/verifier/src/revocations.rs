//! The merged content of revocation lists, indexed so that the cost of a look-up does not grow with
//! their length.

use std::collections::HashMap;

use tm_auth_proto::{AccessClaims, AccountId, KeyId, RevocationList, SessionId};

use crate::Revoked;

/// How long a revocation is remembered after the last list that contained it, in seconds: the
/// longest lifetime of an access token (3600 s) plus 120 s for clock differences, as at the issuer.
pub const REVOCATION_RETENTION: i64 = 3600 + 120;

/// The revocations of all lists that were seen.
///
/// A revocation stays in force while a token that it concerns may exist, even if a later list lacks
/// it. A node of the issuer that lost its database connection keeps signing the list that it
/// remembers, and a load balancer may send the verifier to that node and to others in turn.
#[derive(Clone, Debug, Default)]
pub struct Revocations {
    iat: i64,
    sids: HashMap<SessionId, Seen>,
    keys: HashMap<KeyId, Seen>,
    uids: HashMap<AccountId, (IssuedBefore, Seen)>,
    issued_before: Option<IssuedBefore>,
}

/// The `iat` of the last list that contained the entry.
type Seen = i64;
/// A Unix second. Tokens issued before it are revoked; tokens issued in it are not.
type IssuedBefore = i64;

impl From<RevocationList> for Revocations {
    fn from(list: RevocationList) -> Self {
        let mut revocations = Self::default();
        revocations.add(list);
        revocations
    }
}

impl Revocations {
    /// Returns these revocations and those of `list`, or `None` if `list` is older than the last
    /// one. A list with the same `iat` is not older: the issuer rounds `iat` down to 30 s, and adds
    /// entries within that time.
    pub fn updated_with(&self, list: RevocationList) -> Option<Self> {
        if list.iat < self.iat {
            return None;
        }
        let mut merged = self.clone();
        merged.add(list);
        Some(merged)
    }

    /// Returns the kind of entry that revokes the token with these claims, if one does.
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

    /// Returns the number of revoked sessions and keys, and of accounts with revoked tokens.
    pub fn len(&self) -> usize {
        self.sids.len() + self.keys.len() + self.uids.len()
    }

    /// Whether nothing is revoked.
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

        let is_needed = |at: Seen| at.saturating_add(REVOCATION_RETENTION) > seen;
        self.sids.retain(|_, at| is_needed(*at));
        self.keys.retain(|_, at| is_needed(*at));
        self.uids.retain(|_, (_, at)| is_needed(*at));
    }

    /// `client_id` is a key id only if an API key minted the token.
    fn revokes_key(&self, client_id: &str) -> bool {
        client_id.parse().is_ok_and(|key| self.keys.contains_key(&key))
    }
}
