//! A ledger of what a service acknowledged under faults, and what the service says of it afterwards.
//!
//! 1. [`Load::start`] sets bots to work on any number of nodes: sessions are opened, refreshed (some by two threads
//!    at once), some are ended; now and then a key is made or revoked. Each write is noted when its answer was read.
//! 2. Meanwhile the test does what it likes to nodes, network and database, when so many writes are
//!    [acknowledged](Ledger::acknowledged).
//! 3. After [`Running::stop`] every entry is held against the service by [`Ledger::reckon`]: what was acknowledged
//!    must be there, what was revoked must stay so, and the history of every call must have an order
//!    ([`crate::history`]).
//!
//! No request may go without an answer for more than 75 s; the run panics where one does.

mod counts;
mod load;
mod retrying_client;
#[cfg(test)]
mod tests;
mod verification;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tm_auth_client::ApiError;
use tm_auth_proto::{ApiKeyTokenRequest, ErrorCode, KeyId, SessionId};
use tokio::sync::watch;

use crate::bot::Bot;
pub use counts::Counts;
pub use load::{Load, Running};
pub use retrying_client::{Caller, Held};
pub use verification::Report;

/// See the module. Shared by all tasks of a run.
pub struct Ledger {
    caller: Caller,
    entries: Mutex<Entries>,
    acknowledged: watch::Sender<u64>,
    stopped: watch::Sender<bool>,
}

#[derive(Default)]
struct Entries {
    bots: BTreeMap<KeyId, Arc<Bot>>,
    sessions: BTreeMap<SessionId, Entry>,
    /// Keys that will be revoked.
    doomed: BTreeSet<KeyId>,
    /// Keys whose revocation was asked for.
    revoking: BTreeSet<KeyId>,
    /// Keys whose revocation was acknowledged.
    revoked: BTreeSet<KeyId>,
    last_challenge: Option<ApiKeyTokenRequest>,
    /// Refusals during the run of what was acknowledged before.
    lost: Vec<String>,
}

/// A session as it was last acknowledged.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its key.
    pub key_id: KeyId,
    /// Its newest refresh token.
    pub held: Held,
    /// Its end was acknowledged.
    pub ended: bool,
}

impl Ledger {
    fn new(caller: Caller) -> Self {
        Self {
            caller,
            entries: Mutex::default(),
            acknowledged: watch::Sender::new(0),
            stopped: watch::Sender::new(false),
        }
    }

    fn minted(&self, key_id: KeyId, held: &Held, challenge: ApiKeyTokenRequest) {
        let mut entries = self.entries();
        let entry = Entry {
            key_id,
            held: held.clone(),
            ended: false,
        };
        entries.sessions.insert(held.session, entry);
        // Those of a doomed key may be refused for another reason by the time they are replayed.
        if !entries.doomed.contains(&key_id) {
            entries.last_challenge = Some(challenge);
        }
        drop(entries);
        self.count(|counts| counts.minted += 1);
    }

    fn refreshed(&self, held: &Held) {
        if let Some(entry) = self.entries().sessions.get_mut(&held.session) {
            entry.held = held.clone();
        }
        self.count(|counts| counts.refreshed += 1);
    }

    fn ended(&self, session: SessionId) {
        if let Some(entry) = self.entries().sessions.get_mut(&session) {
            entry.ended = true;
        }
        self.count(|counts| counts.ended += 1);
    }

    fn revoked(&self, key_id: KeyId) {
        self.entries().revoked.insert(key_id);
        self.count(|counts| counts.revoked += 1);
    }

    fn registered(&self, bot: &Arc<Bot>) {
        self.entries().bots.insert(bot.key_id, Arc::clone(bot));
        self.count(|counts| counts.registered += 1);
    }

    /// A refusal is in order only where the revocation of this key was asked for.
    fn refused(&self, what: &str, key_id: KeyId, error: &ApiError) {
        let mut entries = self.entries();
        if !entries.revoking.contains(&key_id) || error.code() != Some(ErrorCode::KeyRevoked) {
            entries.lost.push(format!("{what} with key {key_id}: {error}"));
        }
    }

    fn count(&self, one: impl FnOnce(&mut Counts)) {
        one(&mut self.caller.counts());
        self.acknowledged.send_modify(|count| *count += 1);
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until so many writes were acknowledged.
    pub async fn acknowledged(&self, least: u64) {
        let mut count = self.acknowledged.subscribe();
        let reached = count.wait_for(|count| *count >= least).await;
        reached.expect("the ledger lives");
    }

    fn is_stopped(&self) -> bool {
        *self.stopped.borrow()
    }

    /// The figures so far.
    pub fn counts(&self) -> Counts {
        *self.caller.counts()
    }

    /// Every session, as it was last acknowledged.
    pub fn sessions(&self) -> BTreeMap<SessionId, Entry> {
        self.entries().sessions.clone()
    }

    /// The keys whose revocation was acknowledged.
    pub fn revoked_keys(&self) -> BTreeSet<KeyId> {
        self.entries().revoked.clone()
    }

    /// The newest challenge that was accepted, of a key that is not to be revoked: a replay from now on.
    pub fn last_challenge(&self) -> Option<ApiKeyTokenRequest> {
        self.entries().last_challenge.clone()
    }
}
