//! What the handlers share, and the few steps that more than one of them takes.

pub(crate) mod api_key_refusals;
pub(crate) mod api_key_reminders;
pub(crate) mod api_key_usage;
pub(crate) mod api_keys;
pub(crate) mod background;
pub(crate) mod email_code;
pub(crate) mod management;
pub(crate) mod mint;
pub(crate) mod notices;
pub(crate) mod readiness;
pub(crate) mod refresh;
pub(crate) mod revocation_list;
pub(crate) mod sign_in;
pub(crate) mod tokens;
pub(crate) mod user_sessions;

use std::sync::{Arc, Mutex, RwLock};

use jiff::{SignedDuration, Timestamp};
use moka::sync::Cache;
use tm_auth_core::ApiKey;
use tm_auth_core::session::Lives;
use tm_auth_core::token::access::Issuer;
use tm_auth_proto::{ErrorCode, KeyId, SessionId};
use tm_auth_store::{Change, Store, StoreError};
use tm_auth_verifier::Policy;

use crate::app::api_key_refusals::Refusals;
use crate::app::api_key_usage::Usage;
use crate::app::readiness::Readiness;
use crate::app::revocation_list::RevocationFeed;
use crate::apple::Apple;
use crate::clock::Clock;
use crate::config::{Config, Database, MAX_ACCESS_TTL_SECONDS};
use crate::error::ApiError;
use crate::mail::templates::Letterhead;
use crate::mail::{Delivered, MailQueue};
use crate::passkeys::RelyingParty;
use crate::rate_limits::Limits;
use crate::rate_limits::audit::ReachedLimits;
use crate::signing_keys::key_ring::KeyRing;
use crate::signing_keys::rotation::{ServiceKeyError, ServiceKeys};

/// Keys held in memory. A copy decides nothing by itself: the insert checks the row it was made from.
const CACHED_KEYS: u64 = 100_000;

/// The running service.
pub struct App {
    pub(crate) config: Config,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) issuer: Issuer,
    pub(crate) lives: Lives,
    pub(crate) platform_policy: Policy,
    pub(crate) management_policy: Policy,
    pub(crate) limits: Limits,
    pub(crate) usage: Usage,
    pub(crate) refusals: Refusals,
    pub(crate) reached_limits: ReachedLimits,
    pub(crate) readiness: Readiness,
    pub(crate) revocations: RevocationFeed,
    pub(crate) mail: MailQueue,
    /// None: Sign in with Apple is not offered.
    pub(crate) apple: Option<Apple>,
    passkeys: Option<RelyingParty>,
    service_keys: ServiceKeys,
    keys: RwLock<Arc<KeyRing>>,
    last_reload: Mutex<Option<Timestamp>>,
    /// Held from the read to the replacement, or a slow reader would bring back what a later one replaced.
    reloading_keys: tokio::sync::Mutex<()>,
    reloading_revocations: tokio::sync::Mutex<()>,
    cache: Cache<KeyId, Arc<ApiKey>>,
}

impl App {
    /// Binds the database to the configuration, makes the first keys of an empty one, and unseals.
    pub async fn start(
        config: Config,
        store: Arc<dyn Store>,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, ServiceKeyError> {
        store.bind_environment(config.environment).await?;
        let service_keys = ServiceKeys::new(Arc::clone(&store), &config);
        service_keys.maintain(clock.now()).await?;
        let keys = service_keys.ring().await?;
        let days = |days: u32| SignedDuration::from_hours(24 * i64::from(days));
        let (issuer, audience) = (config.issuer().to_owned(), config.audience().to_owned());
        let policy = |audience: &str| Policy::new(&issuer, audience).environment(config.environment);
        let app = Self {
            lives: Lives {
                idle: days(config.sessions.idle_days),
                absolute: days(config.sessions.max_days),
                same_successor: SignedDuration::from_secs(i64::from(config.sessions.same_successor_seconds)),
            },
            platform_policy: policy(&audience),
            management_policy: policy(&issuer).sole_audience(),
            issuer: Issuer {
                url: issuer.clone(),
                audience,
                environment: config.environment,
                access_ttl: SignedDuration::from_secs(i64::from(config.tokens.access_ttl_seconds)),
            },
            limits: Limits::new(&config.limits),
            usage: Usage::default(),
            refusals: Refusals::default(),
            reached_limits: ReachedLimits::default(),
            readiness: Readiness::default(),
            revocations: RevocationFeed::default(),
            apple: config
                .apple
                .as_ref()
                .map(|apple| Apple::new(apple, &config.public_url, Arc::clone(&clock))),
            mail: MailQueue::new(&config, Arc::clone(&clock)),
            passkeys: RelyingParty::new(&config),
            cache: Cache::new(CACHED_KEYS),
            keys: RwLock::new(Arc::new(keys)),
            last_reload: Mutex::new(None),
            reloading_keys: tokio::sync::Mutex::default(),
            reloading_revocations: tokio::sync::Mutex::default(),
            service_keys,
            config,
            clock,
            store,
        };
        app.reload_revocations().await?;
        Ok(Arc::new(app))
    }

    /// The keys as they are now.
    pub(crate) fn keys(&self) -> Arc<KeyRing> {
        Arc::clone(&self.keys.read().expect("nothing panics while holding it"))
    }

    pub(crate) async fn reload_keys(&self) -> Result<(), ServiceKeyError> {
        let _one_at_a_time = self.reloading_keys.lock().await;
        let ring = Arc::new(self.in_time(self.service_keys.ring()).await?);
        *self.keys.write().expect("nothing panics while holding it") = ring;
        Ok(())
    }

    /// Whether the keys may be read again because somebody named an unknown one: once a second, since
    /// anybody can send names.
    pub(crate) fn may_reload_keys(&self) -> bool {
        let now = self.clock.now();
        let mut last = self.last_reload.lock().expect("nothing panics while holding it");
        let may = last.is_none_or(|last| now.duration_since(last).abs() >= SignedDuration::from_secs(1));
        if may {
            *last = Some(now);
        }
        may
    }

    /// Rotates by schedule; what that changed is in force here when this returns.
    pub(crate) async fn maintain_keys(&self) -> Result<(), ServiceKeyError> {
        if self.service_keys.maintain(self.clock.now()).await? {
            self.reload_keys().await?;
        }
        Ok(())
    }

    pub(crate) async fn reload_revocations(&self) -> Result<(), StoreError> {
        let _one_at_a_time = self.reloading_revocations.lock().await;
        self.read_revocations().await
    }

    /// Reads the list for the end of this session. `false`: it was known here already.
    pub(crate) async fn learn_end_of(&self, sid: SessionId) -> Result<bool, StoreError> {
        let _one_at_a_time = self.reloading_revocations.lock().await;
        if self.revocations.has_session(sid) {
            return Ok(false);
        }
        self.read_revocations().await?;
        Ok(true)
    }

    async fn read_revocations(&self) -> Result<(), StoreError> {
        let since = self.clock.now() - Self::revocation_retention();
        let entries = self.in_time(self.store.revocations(since)).await?;
        self.revocations.replace(entries, self);
        Ok(())
    }

    /// How far the clocks of two nodes may be apart: on SQLite there is one.
    pub(crate) fn clocks_apart(&self) -> SignedDuration {
        match self.config.database {
            Database::Sqlite { .. } => SignedDuration::ZERO,
            // Each within the bound of the database's: one ahead, one behind.
            Database::Postgres { .. } => tm_auth_store::postgres::MAX_APART * 2,
        }
    }

    /// How long an entry stays on the list: the longest life that an access token may have been given, by
    /// this configuration or an earlier one, and two minutes for clocks.
    pub(crate) fn revocation_memory() -> SignedDuration {
        SignedDuration::from_secs(i64::from(MAX_ACCESS_TTL_SECONDS)) + SignedDuration::from_mins(2)
    }

    /// How long an entry is kept: a clock that stepped ahead by hours and came back finds it again.
    pub(crate) fn revocation_retention() -> SignedDuration {
        Self::revocation_memory() + SignedDuration::from_hours(24)
    }

    /// The key, from memory where possible, and whether it came from there.
    pub(crate) async fn api_key(&self, key_id: KeyId) -> Result<(Option<Arc<ApiKey>>, bool), ApiError> {
        if let Some(key) = self.cache.get(&key_id) {
            return Ok((Some(key), true));
        }
        Ok((self.read_api_key(key_id).await?, false))
    }

    /// The key as the database has it.
    pub(crate) async fn read_api_key(&self, key_id: KeyId) -> Result<Option<Arc<ApiKey>>, ApiError> {
        let key = self.database(self.store.api_key(key_id)).await?.map(Arc::new);
        match &key {
            Some(key) => self.cache.insert(key_id, Arc::clone(key)),
            None => self.cache.invalidate(&key_id),
        }
        Ok(key)
    }

    /// Forgets copies of what changed.
    pub(crate) fn forget(&self, change: &Change) {
        match change {
            Change::Key(key_id) => self.cache.invalidate(key_id),
            // Accounts change rarely and have few keys: not worth an index.
            Change::Account(_) => self.cache.invalidate_all(),
            Change::ServiceKeys | Change::Revocations => {}
        }
    }

    pub(crate) fn forget_everything(&self) {
        self.cache.invalidate_all();
    }

    /// Waits for the database on a request's behalf. An answer that did not come is no answer: 503, and never
    /// a refusal.
    pub(crate) async fn database<T>(
        &self,
        answer: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, ApiError> {
        Ok(self.in_time(answer).await?)
    }

    /// Waits for the database, but not longer than its deadline: nobody may wait for ever for a connection
    /// whose other end is gone.
    pub(crate) async fn in_time<T, E: From<StoreError>>(
        &self,
        answer: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let late = |_| E::from(StoreError::Unavailable("no answer in time".to_owned()));
        tokio::time::timeout(self.config.limits.database, answer)
            .await
            .map_err(late)?
    }

    /// What the mailbox holds, newest first; `None`: mail goes elsewhere.
    pub fn mailbox(&self) -> Option<Vec<Arc<Delivered>>> {
        self.mail.mailbox()
    }

    /// Passkeys, where this deployment can have them.
    pub(crate) fn passkeys(&self) -> Result<&RelyingParty, ApiError> {
        self.passkeys
            .as_ref()
            .ok_or_else(|| ApiError::new(ErrorCode::NotFound))
    }

    /// What every mail says of this service.
    pub(crate) fn letterhead(&self) -> Letterhead<'_> {
        Letterhead::new(self.config.environment, &self.config.public_url)
    }

    /// The service's clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}
