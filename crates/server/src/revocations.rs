//! The revocation list in memory, and the signed document made of it.
//!
//! The document depends on the entries, the 30-second slot of the clock and the signing key, and on nothing
//! else: every node gives the same, and it is signed once per slot however many ask.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use jiff::Timestamp;
use tm_auth_proto::claims::REVOCATIONS_TYP;
use tm_auth_proto::{Environment, RevocationList};
use tm_auth_store::{Revocation, Revoked};

use crate::api::etag;
use crate::app::App;

/// Seconds for which one document is given out.
const SLOT: i64 = 30;
/// Seconds after the slot's begin at which a copy is too old to rely on.
const LIFE: i64 = 120;

/// The list.
#[derive(Default)]
pub(crate) struct RevocationFeed(Mutex<State>);

#[derive(Default)]
struct State {
    entries: Arc<Vec<Revocation>>,
    generation: u64,
    document: Option<Document>,
}

/// A signed list.
#[derive(Clone)]
pub(crate) struct Document {
    pub(crate) jws: Bytes,
    pub(crate) etag: String,
    key: (i64, u64, String),
}

impl RevocationFeed {
    pub(crate) fn replace(&self, entries: Vec<Revocation>) {
        let mut state = self.0.lock().expect("nothing panics while holding it");
        if *state.entries != entries {
            state.entries = Arc::new(entries);
            state.generation += 1;
        }
    }

    /// What revokes tokens of ours that come back to us.
    pub(crate) fn list(&self, app: &App, now: Timestamp) -> RevocationList {
        let entries = Arc::clone(&self.0.lock().expect("nothing panics while holding it").entries);
        list(
            &entries,
            &app.issuer.url,
            app.issuer.environment,
            now - app.revocation_memory(),
            now,
        )
    }

    /// The document for this moment.
    pub(crate) fn document(&self, app: &App, now: Timestamp) -> Document {
        let signing = Arc::clone(app.keys().signing());
        let mut state = self.0.lock().expect("nothing panics while holding it");
        let key = (
            now.as_second().div_euclid(SLOT),
            state.generation,
            signing.kid().to_owned(),
        );
        if let Some(document) = state.document.as_ref().filter(|document| document.key == key) {
            return document.clone();
        }
        let list = list(
            &state.entries,
            &app.issuer.url,
            app.issuer.environment,
            now - app.revocation_memory(),
            now,
        );
        let payload = serde_json::to_vec(&list).expect("a list is plain JSON");
        let document = Document {
            etag: etag(&payload),
            jws: Bytes::from(signing.sign_jws(REVOCATIONS_TYP, &payload)),
            key,
        };
        state.document = Some(document.clone());
        document
    }
}

fn list(
    entries: &[Revocation],
    issuer: &str,
    environment: Environment,
    since: Timestamp,
    now: Timestamp,
) -> RevocationList {
    let slot = now.as_second().div_euclid(SLOT) * SLOT;
    let mut list = RevocationList {
        iss: issuer.to_owned(),
        env: environment,
        iat: slot,
        exp: slot + LIFE,
        sids: Vec::new(),
        keys: Vec::new(),
        uids: std::collections::BTreeMap::new(),
        issued_before: None,
    };
    for entry in entries.iter().filter(|entry| entry.at >= since) {
        // "Before" compares whole seconds: rounding up covers a token of the same second.
        let before = entry.at.as_second() + 1;
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
