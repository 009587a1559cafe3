//! The store's methods, each one transaction of the nouns beside this file.

use std::path::Path;

use async_trait::async_trait;
use jiff::Timestamp;
use tm_auth_core::person::is_persons;
use tm_auth_core::registration::ConfirmedKey;
use tm_auth_core::session::NewSession;
use tm_auth_core::signing::StoredKey;
use tm_auth_core::token::refresh::Presented;
use tm_auth_core::{Account, ApiKey, Refusal};
use tm_auth_proto::{AccountId, Environment, KeyId};

use super::{
    Engine, SqlStore, account, api_key, audit, housekeeping, person_session, revocation, service_key,
    session, setting,
};
use crate::{
    AuditEntry, Changes, KeyChange, KeyUse, NewAccount, NewApiKey, OpenOutcome, Origin, Result, Retention,
    Revocation, Rotated, Rotation, Store, StoreError, Swept,
};

#[async_trait]
impl Store for SqlStore {
    async fn bind_environment(&self, environment: Environment) -> Result<()> {
        self.write(async move |tx| setting::bind_environment(tx, environment).await)
            .await
    }

    async fn ping(&self) -> Result<()> {
        self.write_loosely(async |tx| housekeeping::ping(tx).await)
            .await?;
        match &self.engine {
            Engine::Sqlite(_) => Ok(()),
            Engine::Postgres(postgres) => postgres.compare_clocks().await,
        }
    }

    async fn create_account(&self, new: NewAccount, origin: &Origin) -> Result<Option<Account>> {
        let origin = origin.clone();
        self.write(async move |tx| account::create(tx, &new, &origin).await)
            .await
    }

    async fn account(&self, uid: AccountId) -> Result<Option<Account>> {
        self.read(async move |tx| account::get(tx, uid).await).await
    }

    async fn accounts(&self) -> Result<Vec<Account>> {
        self.read(async |tx| account::all(tx).await).await
    }

    async fn set_account_disabled(
        &self,
        uid: AccountId,
        disabled_at: Option<Timestamp>,
        origin: &Origin,
    ) -> Result<bool> {
        let origin = origin.clone();
        self.write(async move |tx| account::set_disabled(tx, uid, disabled_at, &origin).await)
            .await
    }

    async fn api_key(&self, key_id: KeyId) -> Result<Option<ApiKey>> {
        self.read(async move |tx| api_key::get(tx, key_id).await).await
    }

    async fn api_keys_of(&self, uid: AccountId) -> Result<Vec<(ApiKey, Option<KeyUse>)>> {
        self.read(async move |tx| api_key::of_account(tx, uid).await)
            .await
    }

    async fn register_key(
        &self,
        new: NewApiKey,
        max_live: u32,
        origin: &Origin,
    ) -> Result<Result<ApiKey, Refusal>> {
        let origin = origin.clone();
        self.write(async move |tx| api_key::register(tx, &new, max_live, &origin).await)
            .await
    }

    async fn activate_key(
        &self,
        uid: AccountId,
        confirmed: ConfirmedKey,
        max_live: u32,
        origin: &Origin,
    ) -> Result<Result<ApiKey, Refusal>> {
        let origin = origin.clone();
        self.write(async move |tx| api_key::activate(tx, uid, confirmed.key_id(), max_live, &origin).await)
            .await
    }

    async fn update_key(
        &self,
        uid: AccountId,
        key_id: KeyId,
        change: KeyChange,
        origin: &Origin,
    ) -> Result<Result<ApiKey, Refusal>> {
        let origin = origin.clone();
        self.write(async move |tx| api_key::update(tx, uid, key_id, &change, &origin).await)
            .await
    }

    async fn revoke_key(
        &self,
        uid: AccountId,
        key_id: KeyId,
        origin: &Origin,
    ) -> Result<Result<ApiKey, Refusal>> {
        let origin = origin.clone();
        self.write(async move |tx| api_key::revoke(tx, uid, key_id, &origin).await)
            .await
    }

    async fn record_use(&self, uses: Vec<KeyUse>) -> Result<()> {
        self.write_loosely(async move |tx| api_key::record_use(tx, &uses).await)
            .await
    }

    async fn open_session(&self, new: NewSession) -> Result<OpenOutcome> {
        if let Engine::Postgres(postgres) = &self.engine
            && let Some(outcome) = postgres.open_session(new.clone()).await?
        {
            return Ok(outcome);
        }
        self.write(async move |tx| session::open(tx, &new).await).await
    }

    async fn rotate_session(&self, rotation: Rotation) -> Result<Result<Rotated, Refusal>> {
        if let Engine::Postgres(postgres) = &self.engine
            && let Some(outcome) = postgres.rotate_session(rotation.clone()).await?
        {
            return Ok(outcome);
        }
        self.write(async move |tx| session::rotate(tx, &rotation).await)
            .await
    }

    async fn end_session(&self, presented: Presented, origin: &Origin) -> Result<bool> {
        let origin = origin.clone();
        self.write(async move |tx| {
            if is_persons(presented.sid) {
                person_session::end_presented(tx, &presented, &origin).await
            } else {
                session::end(tx, &presented, &origin).await
            }
        })
        .await
    }

    async fn service_keys(&self) -> Result<(i64, Vec<StoredKey>)> {
        self.read(async |tx| service_key::all(tx).await).await
    }

    async fn update_service_keys(
        &self,
        version: i64,
        put: Vec<StoredKey>,
        remove: Vec<String>,
        origin: &Origin,
    ) -> Result<bool> {
        let origin = origin.clone();
        self.write(async move |tx| service_key::update(tx, version, &put, &remove, &origin).await)
            .await
    }

    async fn revocations(&self, since: Timestamp) -> Result<Vec<Revocation>> {
        self.read(async move |tx| revocation::since(tx, since).await)
            .await
    }

    async fn revoke(&self, revocation: Revocation, origin: &Origin) -> Result<()> {
        let origin = origin.clone();
        self.write(async move |tx| revocation::add_audited(tx, revocation, &origin).await)
            .await
    }

    async fn changes(&self, after: i64) -> Result<Changes> {
        let told = self.told();
        let (changes, told) = self
            .read(async move |tx| housekeeping::changes(tx, after, told.as_ref()).await)
            .await?;
        self.set_told(told);
        Ok(changes)
    }

    async fn audit(&self, entries: Vec<AuditEntry>) -> Result<()> {
        self.write_loosely(async move |tx| {
            for entry in &entries {
                audit::add(tx, entry).await?;
            }
            Ok(())
        })
        .await
    }

    async fn audit_trail(&self, uid: Option<AccountId>, limit: u32) -> Result<Vec<AuditEntry>> {
        self.read(async move |tx| audit::newest(tx, uid, limit).await)
            .await
    }

    async fn sweep(&self, now: Timestamp, retention: &Retention) -> Result<Swept> {
        let (retention, after) = (*retention, self.sweep_position());
        let (swept, position) = self
            .write_loosely(async move |tx| housekeeping::sweep(tx, now, &retention, after.as_deref()).await)
            .await?;
        self.set_sweep_position(position);
        Ok(swept)
    }

    async fn backup(&self, target: &Path) -> Result<()> {
        match &self.engine {
            Engine::Sqlite(sqlite) => sqlite.backup(target).await,
            Engine::Postgres(_) => Err(StoreError::Unusable(
                "PostgreSQL has tools of its own for this: pg_basebackup with archived WAL, or pg_dump"
                    .to_owned(),
            )),
        }
    }

    async fn mark_recovered(&self, at: Timestamp, end_sessions: bool, origin: &Origin) -> Result<u64> {
        let origin = origin.clone();
        self.write_loosely(async move |tx| housekeeping::mark_recovered(tx, at, end_sessions, &origin).await)
            .await
    }
}
