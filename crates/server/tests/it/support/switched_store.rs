//! A store that counts what it is asked, and that can be broken while the service runs.

mod apple_identity;
mod ceremony;
mod contact;
mod identity;
mod key_refusal;
mod passkey;
mod person_session;
mod recovery;
mod reminder;
mod sign_in_code;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use jiff::Timestamp;
use tm_auth_core::registration::ConfirmedKey;
use tm_auth_core::session::NewSession;
use tm_auth_core::signing::StoredKey;
use tm_auth_core::token::refresh::Presented;
use tm_auth_core::{Account, ApiKey, Refusal};
use tm_auth_proto::{AccountId, Environment, KeyId};
use tm_auth_store::{
    AuditEntry, Changes, KeyChange, KeyUse, NewAccount, NewApiKey, OpenOutcome, Origin, Result, Retention,
    Revocation, Rotated, Rotation, Store, StoreError, Swept,
};
use tokio::sync::oneshot;

/// What the database does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Switch {
    /// Its work.
    Up,
    /// Each question fails at once.
    Down,
    /// No question is answered, not even later: the other end of the connection is gone.
    Frozen,
    /// The next session is stored, but whoever stored it hears of a failure; then it works again.
    LosesOneAnswer,
}

/// A real store behind a switch.
pub(crate) struct SwitchedStore {
    inner: Arc<dyn Store>,
    switch: Mutex<Switch>,
    calls: Mutex<BTreeMap<&'static str, u64>>,
    held_list: Mutex<Option<(oneshot::Sender<()>, oneshot::Receiver<()>)>>,
}

impl SwitchedStore {
    pub(crate) fn new(inner: Arc<dyn Store>) -> Arc<Self> {
        Arc::new(Self {
            inner,
            switch: Mutex::new(Switch::Up),
            calls: Mutex::default(),
            held_list: Mutex::default(),
        })
    }

    pub(crate) fn set(&self, switch: Switch) {
        *self.switch.lock().unwrap() = switch;
    }

    /// Holds the next reading of the revocation list back: the first channel tells that it was read, the
    /// second one lets it go.
    pub(crate) fn hold_next_list(&self) -> (oneshot::Receiver<()>, oneshot::Sender<()>) {
        let ((read, was_read), (let_go, may_go)) = (oneshot::channel(), oneshot::channel());
        *self.held_list.lock().unwrap() = Some((read, may_go));
        (was_read, let_go)
    }

    /// How often it was asked this so far.
    pub(crate) fn calls(&self, method: &str) -> u64 {
        self.calls.lock().unwrap().get(method).copied().unwrap_or(0)
    }

    async fn gate(&self, method: &'static str) -> Result<()> {
        *self.calls.lock().unwrap().entry(method).or_default() += 1;
        let switch = *self.switch.lock().unwrap();
        match switch {
            Switch::Up | Switch::LosesOneAnswer => Ok(()),
            Switch::Down => Err(StoreError::Unavailable("switched off".to_owned())),
            Switch::Frozen => std::future::pending().await,
        }
    }
}

#[async_trait]
impl Store for SwitchedStore {
    async fn bind_environment(&self, environment: Environment) -> Result<()> {
        self.gate("bind_environment").await?;
        self.inner.bind_environment(environment).await
    }

    async fn ping(&self) -> Result<()> {
        self.gate("ping").await?;
        self.inner.ping().await
    }

    async fn create_account(&self, account: NewAccount, origin: &Origin) -> Result<Option<Account>> {
        self.gate("create_account").await?;
        self.inner.create_account(account, origin).await
    }

    async fn account(&self, uid: AccountId) -> Result<Option<Account>> {
        self.gate("account").await?;
        self.inner.account(uid).await
    }

    async fn accounts(&self) -> Result<Vec<Account>> {
        self.gate("accounts").await?;
        self.inner.accounts().await
    }

    async fn set_account_disabled(
        &self,
        uid: AccountId,
        disabled_at: Option<Timestamp>,
        origin: &Origin,
    ) -> Result<bool> {
        self.gate("set_account_disabled").await?;
        self.inner.set_account_disabled(uid, disabled_at, origin).await
    }

    async fn api_key(&self, key_id: KeyId) -> Result<Option<ApiKey>> {
        self.gate("api_key").await?;
        self.inner.api_key(key_id).await
    }

    async fn api_keys_of(&self, uid: AccountId) -> Result<Vec<(ApiKey, Option<KeyUse>)>> {
        self.gate("api_keys_of").await?;
        self.inner.api_keys_of(uid).await
    }

    async fn register_key(
        &self,
        new: NewApiKey,
        max_live: u32,
        origin: &Origin,
    ) -> Result<Result<ApiKey, Refusal>> {
        self.gate("register_key").await?;
        self.inner.register_key(new, max_live, origin).await
    }

    async fn activate_key(
        &self,
        uid: AccountId,
        confirmed: ConfirmedKey,
        max_live: u32,
        origin: &Origin,
    ) -> Result<Result<ApiKey, Refusal>> {
        self.gate("activate_key").await?;
        self.inner.activate_key(uid, confirmed, max_live, origin).await
    }

    async fn update_key(
        &self,
        uid: AccountId,
        key_id: KeyId,
        change: KeyChange,
        origin: &Origin,
    ) -> Result<Result<ApiKey, Refusal>> {
        self.gate("update_key").await?;
        self.inner.update_key(uid, key_id, change, origin).await
    }

    async fn revoke_key(
        &self,
        uid: AccountId,
        key_id: KeyId,
        origin: &Origin,
    ) -> Result<Result<ApiKey, Refusal>> {
        self.gate("revoke_key").await?;
        self.inner.revoke_key(uid, key_id, origin).await
    }

    async fn record_use(&self, uses: Vec<KeyUse>) -> Result<()> {
        self.gate("record_use").await?;
        self.inner.record_use(uses).await
    }

    async fn open_session(&self, new: NewSession) -> Result<OpenOutcome> {
        self.gate("open_session").await?;
        let outcome = self.inner.open_session(new).await;
        let mut switch = self.switch.lock().unwrap();
        if *switch == Switch::LosesOneAnswer {
            *switch = Switch::Up;
            return Err(StoreError::Unavailable("the answer was lost".to_owned()));
        }
        outcome
    }

    async fn rotate_session(&self, rotation: Rotation) -> Result<Result<Rotated, Refusal>> {
        self.gate("rotate_session").await?;
        self.inner.rotate_session(rotation).await
    }

    async fn end_session(&self, presented: Presented, origin: &Origin) -> Result<bool> {
        self.gate("end_session").await?;
        self.inner.end_session(presented, origin).await
    }

    async fn service_keys(&self) -> Result<(i64, Vec<StoredKey>)> {
        self.gate("service_keys").await?;
        self.inner.service_keys().await
    }

    async fn update_service_keys(
        &self,
        version: i64,
        put: Vec<StoredKey>,
        remove: Vec<String>,
        origin: &Origin,
    ) -> Result<bool> {
        self.gate("update_service_keys").await?;
        self.inner.update_service_keys(version, put, remove, origin).await
    }

    async fn revocations(&self, since: Timestamp) -> Result<Vec<Revocation>> {
        self.gate("revocations").await?;
        let list = self.inner.revocations(since).await;
        let held = self.held_list.lock().unwrap().take();
        if let Some((read, may_go)) = held {
            read.send(()).unwrap();
            may_go.await.unwrap();
        }
        list
    }

    async fn revoke(&self, revocation: Revocation, origin: &Origin) -> Result<()> {
        self.gate("revoke").await?;
        self.inner.revoke(revocation, origin).await
    }

    async fn changes(&self, after: i64) -> Result<Changes> {
        self.gate("changes").await?;
        self.inner.changes(after).await
    }

    async fn audit(&self, entries: Vec<AuditEntry>) -> Result<()> {
        self.gate("audit").await?;
        self.inner.audit(entries).await
    }

    async fn audit_trail(&self, uid: Option<AccountId>, limit: u32) -> Result<Vec<AuditEntry>> {
        self.gate("audit_trail").await?;
        self.inner.audit_trail(uid, limit).await
    }

    async fn sweep(&self, now: Timestamp, retention: &Retention) -> Result<Swept> {
        self.gate("sweep").await?;
        self.inner.sweep(now, retention).await
    }

    async fn backup(&self, target: &Path) -> Result<()> {
        self.gate("backup").await?;
        self.inner.backup(target).await
    }

    async fn mark_recovered(&self, at: Timestamp, end_sessions: bool, origin: &Origin) -> Result<u64> {
        self.gate("mark_recovered").await?;
        self.inner.mark_recovered(at, end_sessions, origin).await
    }
}
