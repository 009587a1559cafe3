//! The revocation list in memory: an index for tokens that come back to us, and the signed document that
//! resource servers poll.
//!
//! The document depends on the entries, the 30-second slot of the clock and the signing key, and on nothing
//! else: every node gives the same, and it is signed once per slot however many ask.

use std::sync::{Arc, Mutex, RwLock};

use bytes::Bytes;
use jiff::Timestamp;
use tm_auth_proto::claims::REVOCATIONS_TYP;
use tm_auth_proto::{AccessClaims, RevocationList, SessionId};
use tm_auth_store::{Revocation, Revoked};
use tm_auth_verifier::Revocations;

use crate::app::App;
use crate::http::caching::etag;

/// Seconds for which one document is given out.
const SLOT: i64 = 30;
/// Seconds after the slot's begin at which a copy is too old to rely on.
const LIFE: i64 = 120;

/// The list.
#[derive(Default)]
pub(crate) struct RevocationFeed {
    held: RwLock<Arc<Held>>,
    document: Mutex<Option<Document>>,
}

/// One state of the list. Replaced whole, never changed.
#[derive(Default)]
struct Held {
    entries: Vec<Revocation>,
    /// Of the same entries, so that a token costs the same however many there are.
    index: Revocations,
    generation: u64,
}

/// A signed list.
#[derive(Clone)]
pub(crate) struct Document {
    pub(crate) jws: Bytes,
    pub(crate) etag: String,
    key: (i64, u64, String),
}

impl RevocationFeed {
    /// Takes the entries as the database has them. One caller at a time; see [`App::reload_revocations`].
    pub(crate) fn replace(&self, entries: Vec<Revocation>, app: &App) {
        let held = self.held();
        if held.entries == entries {
            return;
        }
        // Outside the lock that each token takes. Entries that grew too old for the document stay in the
        // index until the next change: every token that they are about has ended.
        let new = Held {
            index: list(&entries, app, 0).into(),
            generation: held.generation + 1,
            entries,
        };
        *self.held.write().expect("nothing panics while holding it") = Arc::new(new);
    }

    /// Whether the token with these claims was revoked.
    pub(crate) fn revokes(&self, claims: &AccessClaims) -> bool {
        self.held().index.revoked(claims).is_some()
    }

    /// Whether the end of this session is known here.
    pub(crate) fn has_session(&self, sid: SessionId) -> bool {
        let wanted = Revoked::Session(sid);
        self.held().entries.iter().any(|entry| entry.revoked == wanted)
    }

    /// The document for this moment.
    pub(crate) fn document(&self, app: &App, now: Timestamp) -> Document {
        let signing = Arc::clone(app.keys().signing());
        let mut last = self.document.lock().expect("nothing panics while holding it");
        let held = self.held();
        let slot = now.as_second().div_euclid(SLOT);
        let key = (slot, held.generation, signing.kid().to_owned());
        if let Some(document) = last.as_ref().filter(|document| document.key == key) {
            return document.clone();
        }
        let since = now - App::revocation_memory();
        let entries = held.entries.iter().filter(|entry| entry.at >= since);
        let payload = serde_json::to_vec(&list(entries, app, slot * SLOT)).expect("a list is plain JSON");
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
}

fn list<'a>(entries: impl IntoIterator<Item = &'a Revocation>, app: &App, iat: i64) -> RevocationList {
    let issuer = &app.issuer;
    let mut list = RevocationList {
        iss: issuer.url.clone(),
        env: issuer.environment,
        iat,
        exp: iat + LIFE,
        sids: Vec::new(),
        keys: Vec::new(),
        uids: std::collections::BTreeMap::new(),
        issued_before: None,
    };
    for entry in entries {
        // "Before" compares whole seconds: rounding up covers a token of the same second. A token that another
        // node issued earlier may bear a later time than this.
        let before = entry.at.as_second() + 1 + app.clocks_apart().as_secs();
        match entry.revoked {
            Revoked::Session(sid) => list.sids.push(sid),
            Revoked::Key(key_id) => list.keys.push(key_id),
            Revoked::Account(uid) => {
                list.uids.insert(uid, before);
            }
            Revoked::Everything => list.issued_before = list.issued_before.max(Some(before)),
        }
    }
    list
}
