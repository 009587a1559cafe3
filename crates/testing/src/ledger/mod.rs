//! A ledger of the writes that a service acknowledged under faults, compared with its state later.
//!
//! 1. [`Load::start`] starts bots against any number of nodes. They open sessions, refresh them
//!    (some with two concurrent calls) and end some. Their owner creates and revokes a few keys.
//!    The ledger records each write once the client has read its answer.
//! 2. Meanwhile the test injects faults into nodes, network and database. Between two faults it
//!    waits until enough writes are [acknowledged](Ledger::wait_until_acknowledged).
//! 3. After [`RunningLoad::stop`], [`Ledger::verify`] compares every entry with the service. Every
//!    acknowledged write must be there, revoked keys and ended sessions must stay so, and the history of
//!    all calls must be linearizable ([`crate::history`]).
//!
//! The run panics if a request gets no decisive answer within 75 s.

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
pub use load::{Load, RunningLoad};
pub use retrying_client::{HeldToken, RetryingClient};
pub use verification::Report;

/// The ledger of one run, shared by all of its tasks.
pub struct Ledger {
    client: RetryingClient,
    entries: Mutex<Entries>,
    acknowledged: watch::Sender<u64>,
    stopped: watch::Sender<bool>,
}

#[derive(Default)]
struct Entries {
    bots: BTreeMap<KeyId, Arc<Bot>>,
    sessions: BTreeMap<SessionId, Entry>,
    /// Keys that the run will revoke.
    to_revoke: BTreeSet<KeyId>,
    /// Keys whose revocation was requested.
    revoking: BTreeSet<KeyId>,
    /// Keys whose revocation was acknowledged.
    revoked: BTreeSet<KeyId>,
    last_challenge: Option<ApiKeyTokenRequest>,
    /// Refusals during the run that contradict an acknowledged write.
    lost: Vec<String>,
}

/// The last acknowledged state of a session.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The API key of the session.
    pub key_id: KeyId,
    /// The newest refresh token of the session.
    pub held: HeldToken,
    /// Whether the end of the session was acknowledged.
    pub ended: bool,
}

impl Ledger {
    fn new(client: RetryingClient) -> Self {
        Self {
            client,
            entries: Mutex::default(),
            acknowledged: watch::Sender::new(0),
            stopped: watch::Sender::new(false),
        }
    }

    fn minted(&self, key_id: KeyId, held: &HeldToken, challenge: ApiKeyTokenRequest) {
        let mut entries = self.entries();
        let entry = Entry {
            key_id,
            held: held.clone(),
            ended: false,
        };
        entries.sessions.insert(held.session, entry);
        // The challenge of a key that the run revokes may later be refused as `key_revoked`, not as
        // a replay.
        if !entries.to_revoke.contains(&key_id) {
            entries.last_challenge = Some(challenge);
        }
        drop(entries);
        self.count(|counts| counts.minted += 1);
    }

    fn refreshed(&self, held: &HeldToken) {
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

    /// Records a refusal as a loss, unless it is `key_revoked` and the revocation of this key was
    /// requested.
    fn refused(&self, what: &str, key_id: KeyId, error: &ApiError) {
        let mut entries = self.entries();
        if !entries.revoking.contains(&key_id) || error.code() != Some(ErrorCode::KeyRevoked) {
            entries.lost.push(format!("{what} with key {key_id}: {error}"));
        }
    }

    fn count(&self, increment: impl FnOnce(&mut Counts)) {
        increment(&mut self.client.counts());
        self.acknowledged.send_modify(|count| *count += 1);
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until at least this many writes were acknowledged.
    pub async fn wait_until_acknowledged(&self, minimum: u64) {
        let mut count = self.acknowledged.subscribe();
        let reached = count.wait_for(|count| *count >= minimum).await;
        reached.expect("the ledger owns the sender");
    }

    fn is_stopped(&self) -> bool {
        *self.stopped.borrow()
    }

    /// The counts so far.
    pub fn counts(&self) -> Counts {
        *self.client.counts()
    }

    /// The last acknowledged state of every session.
    pub fn sessions(&self) -> BTreeMap<SessionId, Entry> {
        self.entries().sessions.clone()
    }

    /// The keys whose revocation was acknowledged.
    pub fn revoked_keys(&self) -> BTreeSet<KeyId> {
        self.entries().revoked.clone()
    }

    /// The last accepted challenge of a key that the run does not revoke. Sending it again is a
    /// replay.
    pub fn last_challenge(&self) -> Option<ApiKeyTokenRequest> {
        self.entries().last_challenge.clone()
    }
}
