//! The revocation list in memory: an index for tokens that are presented to this service, and the
//! signed document that resource servers poll.
//!
//! The document depends on the entries, the 30-second slot of the clock and the signing key. Nodes
//! with the same state serve the same list. A node signs it once per slot, and again after a
//! change or when a key expires whose expiry was shortened ([`Revoked::KeyExpiry`]).

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, RwLock};

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use tm_auth_core::signing::SigningKey;
use tm_auth_core::token::access::Issuer;
use tm_auth_proto::claims::REVOCATIONS_TYP;
use tm_auth_proto::{AccessClaims, KeyId};
use tm_auth_store::{Result, Revocation, Revoked, Store};
use tm_auth_verifier::Revocations;

use crate::config::MAX_ACCESS_TTL_SECONDS;
use crate::http::caching::etag;

/// Seconds for which one document is served.
const SLOT: i64 = 30;
/// Seconds after the start of its slot at which a document expires.
const LIFE: i64 = 120;

/// How long the document lists an entry: the longest lifetime that any configuration allows for an
/// access token, and two minutes because clocks differ.
const LISTED: SignedDuration = SignedDuration::from_secs(MAX_ACCESS_TTL_SECONDS as i64 + 120);

/// How long an entry is kept. It survives a clock that steps ahead by hours and back.
pub(crate) const KEPT: SignedDuration = SignedDuration::from_hours(24).saturating_add(LISTED);

/// The database has no entry that is much older than [`KEPT`], so all are read. If this clock decided
/// which, a jump ahead would make the node forget the others.
pub(super) const ALL: Timestamp = Timestamp::UNIX_EPOCH;

/// How long an entry that has gone is remembered. If the database went back in time, a request can
/// read the list before this node notices, and the entry would be lost.
const REMEMBERED: SignedDuration = SignedDuration::from_mins(1);

/// The list.
pub(crate) struct RevocationList {
    store: Arc<Store>,
    issuer: Issuer,
    /// How far the clocks of two nodes may be apart.
    clocks_apart: SignedDuration,
    held: RwLock<Arc<Held>>,
    document: Mutex<Option<Document>>,
    /// Held from the read to the replacement. Otherwise a slow reader could replace a newer list
    /// with an older one.
    reloading: tokio::sync::Mutex<()>,
}

/// One state of the list. It is replaced, never changed.
#[derive(Default)]
struct Held {
    entries: Vec<Revocation>,
    /// Index of `entries`: checking a token does not take longer if there are more of them.
    index: Revocations,
    /// The keys that are listed from a time on. Not in `index`.
    expiries: HashMap<KeyId, Timestamp>,
    generation: u64,
    /// Entries that the database lacked at this time and had before.
    gone: Vec<(Timestamp, Revocation)>,
}

/// A signed list.
#[derive(Clone)]
pub(crate) struct Document {
    pub(crate) jws: Bytes,
    pub(crate) etag: String,
    key: (i64, u64, usize, String),
}

impl Held {
    /// The number of keys that have expired.
    fn expired(&self, now: Timestamp) -> usize {
        self.expiries.values().filter(|at| **at <= now).count()
    }
}

/// When the entry begins to count. `None`: it counts at once, even if the clock of the node that
/// wrote it is ahead.
fn expiry(entry: &Revocation) -> Option<(KeyId, Timestamp)> {
    match entry.revoked {
        Revoked::KeyExpiry(key_id) => Some((key_id, entry.at)),
        _ => None,
    }
}

impl RevocationList {
    /// Reads the list for the first time.
    pub(crate) async fn start(
        store: Arc<Store>,
        issuer: Issuer,
        clocks_apart: SignedDuration,
        now: Timestamp,
    ) -> Result<Self> {
        let list = Self {
            store,
            issuer,
            clocks_apart,
            held: RwLock::default(),
            document: Mutex::default(),
            reloading: tokio::sync::Mutex::default(),
        };
        list.reload(now).await?;
        Ok(list)
    }

    /// Reads the list again. When this returns, all revocations from before the call are in force
    /// on this node.
    pub(crate) async fn reload(&self, now: Timestamp) -> Result<()> {
        let _one_at_a_time = self.reloading.lock().await;
        self.read(now).await
    }

    async fn read(&self, now: Timestamp) -> Result<()> {
        let entries = self.store.revocations(ALL).await?;
        let held = self.held();
        if held.entries == entries {
            return Ok(());
        }
        let mut gone: Vec<_> = held
            .gone
            .iter()
            .copied()
            .filter(|(at, _)| *at >= now - REMEMBERED)
            .collect();
        let has: HashSet<_> = entries.iter().collect();
        let lost = held
            .entries
            .iter()
            .filter(|entry| entry.at >= now - KEPT && !has.contains(entry));
        gone.extend(lost.map(|entry| (now, *entry)));
        // The index is built outside the lock that checking a token takes. Entries that grow too
        // old for the document stay in the index until the next change. The tokens that they
        // concern have expired.
        let new = Held {
            index: self
                .list(entries.iter().filter(|entry| expiry(entry).is_none()), 0)
                .into(),
            expiries: entries.iter().filter_map(expiry).collect(),
            generation: held.generation + 1,
            gone,
            entries,
        };
        *self.held.write().expect("nothing panics while holding it") = Arc::new(new);
        Ok(())
    }

    /// The entries that this node knows, with those that have been gone for less than
    /// [`REMEMBERED`].
    pub(crate) fn known(&self) -> Vec<Revocation> {
        let held = self.held();
        let gone = held.gone.iter().map(|(_, entry)| *entry);
        held.entries.iter().copied().chain(gone).collect()
    }

    /// Whether a token with these claims is revoked.
    pub(crate) fn revokes(&self, claims: &AccessClaims, now: Timestamp) -> bool {
        let held = self.held();
        let has_expired = |key| held.expiries.get(&key).is_some_and(|at| *at <= now);
        held.index.revoked(claims).is_some() || claims.client_id.parse().is_ok_and(has_expired)
    }

    /// The document for this time. Signs it if the last one was for another state or slot.
    pub(crate) fn document(&self, signing: &SigningKey, now: Timestamp) -> Document {
        let mut last = self.document.lock().expect("nothing panics while holding it");
        let held = self.held();
        let slot = now.as_second().div_euclid(SLOT);
        let key = (slot, held.generation, held.expired(now), signing.kid().to_owned());
        if let Some(document) = last.as_ref().filter(|document| document.key == key) {
            return document.clone();
        }
        let since = now - LISTED;
        let entries = held
            .entries
            .iter()
            .filter(|entry| entry.at >= since && expiry(entry).is_none_or(|(_, at)| at <= now));
        let payload = serde_json::to_vec(&self.list(entries, slot * SLOT)).expect("a list is plain JSON");
        let document = Document {
            etag: etag(&payload),
            jws: Bytes::from(signing.sign_jws(REVOCATIONS_TYP, &payload)),
            key,
        };
        *last = Some(document.clone());
        document
    }

    fn held(&self) -> Arc<Held> {
        Arc::clone(&self.held.read().expect("nothing panics while holding it"))
    }

    fn list<'a>(
        &self,
        entries: impl IntoIterator<Item = &'a Revocation>,
        iat: i64,
    ) -> tm_auth_proto::RevocationList {
        let mut list = tm_auth_proto::RevocationList {
            iss: self.issuer.url.clone(),
            env: self.issuer.environment,
            iat,
            exp: iat + LIFE,
            sids: Vec::new(),
            keys: Vec::new(),
            uids: std::collections::BTreeMap::new(),
            issued_before: None,
        };
        for entry in entries {
            // "Before" compares whole seconds, so rounding up covers tokens of the same second. The
            // clock of another node may have been ahead when it issued a token.
            let before = entry.at.as_second() + 1 + self.clocks_apart.as_secs();
            match entry.revoked {
                Revoked::Session(sid) => list.sids.push(sid),
                Revoked::Key(key_id) | Revoked::KeyExpiry(key_id) => list.keys.push(key_id),
                Revoked::Account(uid) => {
                    list.uids.insert(uid, before);
                }
                Revoked::Everything => list.issued_before = list.issued_before.max(Some(before)),
            }
        }
        list
    }
}
