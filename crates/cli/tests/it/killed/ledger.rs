//! What the server acknowledged, and whether it is up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;

use tm_auth_client::ApiError;
use tm_auth_proto::{ApiKeyTokenRequest, ErrorCode, KeyId, SessionId, TokenResponse};
use tokio::sync::watch;

use super::is_unknown;
use crate::served::generation;

/// See the module. Shared by all tasks of a run.
pub(super) struct Ledger {
    entries: Mutex<Entries>,
    acknowledged: watch::Sender<u64>,
    up: watch::Sender<bool>,
    stopped: watch::Sender<bool>,
    unknown: watch::Sender<u64>,
}

#[derive(Default)]
struct Entries {
    sessions: BTreeMap<SessionId, Entry>,
    /// Keys whose revocation will be asked for.
    doomed: BTreeSet<KeyId>,
    /// Keys whose revocation was asked for.
    revoking: BTreeSet<KeyId>,
    /// Keys whose revocation was acknowledged.
    revoked: BTreeSet<KeyId>,
    last_challenge: Option<ApiKeyTokenRequest>,
}

/// A session as it was last acknowledged.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) key_id: KeyId,
    pub(super) generation: i64,
    pub(super) refresh_token: String,
}

impl Ledger {
    pub(super) fn new(doomed: impl Iterator<Item = KeyId>) -> Self {
        let entries = Entries {
            doomed: doomed.collect(),
            ..Entries::default()
        };
        Self {
            entries: Mutex::new(entries),
            acknowledged: watch::Sender::new(0),
            up: watch::Sender::new(true),
            stopped: watch::Sender::new(false),
            unknown: watch::Sender::new(0),
        }
    }

    /// Asks until there is an answer. While the server is down it waits for the next one.
    pub(super) async fn until_answered<T, F>(&self, mut ask: impl FnMut() -> F) -> Result<T, ApiError>
    where
        F: Future<Output = Result<T, ApiError>>,
    {
        let mut up = self.up.subscribe();
        loop {
            match ask().await {
                Err(error) if is_unknown(&error) => self.unknown.send_modify(|count| *count += 1),
                answer => return answer,
            }
            up.wait_for(|up| *up).await.expect("the ledger lives");
        }
    }

    pub(super) fn minted(
        &self,
        sid: SessionId,
        key_id: KeyId,
        tokens: &TokenResponse,
        challenge: ApiKeyTokenRequest,
        revoked_before: bool,
    ) {
        let entry = Entry {
            key_id,
            generation: 0,
            refresh_token: tokens.refresh_token.clone(),
        };
        let mut entries = self.entries();
        // Judged by what was acknowledged when the mint began: its answer may cross with a revocation's.
        assert!(!revoked_before, "minted after the revocation");
        assert!(
            entries.sessions.insert(sid, entry).is_none(),
            "two mints, one session"
        );
        // Those of a doomed key may be refused for another reason by the time they are replayed.
        if !entries.doomed.contains(&key_id) {
            entries.last_challenge = Some(challenge);
        }
        drop(entries);
        self.count_one();
    }

    pub(super) fn refreshed(&self, sid: SessionId, tokens: &TokenResponse) {
        let mut entries = self.entries();
        let entry = entries.sessions.get_mut(&sid).expect("it was minted");
        entry.generation = generation(tokens);
        entry.refresh_token.clone_from(&tokens.refresh_token);
        drop(entries);
        self.count_one();
    }

    pub(super) fn revoking(&self, key_id: KeyId) {
        self.entries().revoking.insert(key_id);
    }

    pub(super) fn revoked(&self, key_id: KeyId) {
        self.entries().revoked.insert(key_id);
        self.count_one();
    }

    /// A refusal is in order only where the revocation of this key was asked for.
    pub(super) fn may_refuse(&self, key_id: KeyId, error: &ApiError) {
        let asked = self.entries().revoking.contains(&key_id);
        assert!(
            asked && error.code() == Some(ErrorCode::KeyRevoked),
            "{key_id}: {error}"
        );
    }

    /// Whether a revocation of this key was acknowledged by now.
    pub(super) fn is_revoked(&self, key_id: KeyId) -> bool {
        self.entries().revoked.contains(&key_id)
    }

    fn entries(&self) -> std::sync::MutexGuard<'_, Entries> {
        self.entries
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn count_one(&self) {
        self.acknowledged.send_modify(|count| *count += 1);
    }

    /// Waits until so many writes were acknowledged.
    pub(super) async fn acknowledged(&self, least: u64) {
        let mut count = self.acknowledged.subscribe();
        count
            .wait_for(|count| *count >= least)
            .await
            .expect("the ledger lives");
    }

    pub(super) fn count(&self) -> u64 {
        *self.acknowledged.borrow()
    }

    /// Requests without an answer.
    pub(super) fn unknown(&self) -> u64 {
        *self.unknown.borrow()
    }

    pub(super) fn going_down(&self) {
        self.up.send_replace(false);
    }

    pub(super) fn is_up(&self) {
        self.up.send_replace(true);
    }

    pub(super) fn stop(&self) {
        self.stopped.send_replace(true);
    }

    pub(super) fn stopped(&self) -> bool {
        *self.stopped.borrow()
    }

    /// The newest challenge that was accepted.
    pub(super) fn last_challenge(&self) -> ApiKeyTokenRequest {
        self.entries().last_challenge.clone().expect("somebody minted")
    }

    pub(super) fn sessions(&self) -> BTreeMap<SessionId, Entry> {
        self.entries().sessions.clone()
    }

    pub(super) fn revoked_keys(&self) -> BTreeSet<KeyId> {
        self.entries().revoked.clone()
    }
}
