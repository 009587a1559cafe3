//! What the service does. Handlers decode a request, call a function here and encode the response.
//!
//! Nothing here depends on a handler or on axum. The types of [`App`]'s fields do not know [`App`].

pub mod api_key_cache;
pub(crate) mod api_key_refusals;
pub(crate) mod api_key_reminders;
pub(crate) mod api_key_usage;
pub(crate) mod api_keys;
pub(crate) mod background;
pub(crate) mod changes;
pub(crate) mod email_code;
pub(crate) mod management;
pub(crate) mod mint;
pub(crate) mod readiness;
pub(crate) mod refresh;
pub(crate) mod revocation_list;
pub(crate) mod rewind;
pub(crate) mod sign_in;
pub(crate) mod tokens;
pub(crate) mod user_sessions;

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use tm_auth_core::session::SessionLifetimes;
use tm_auth_core::token::access::Issuer;
use tm_auth_store::Store;
use tm_auth_verifier::Policy;

use self::api_key_cache::ApiKeyCache;
use self::api_key_refusals::Refusals;
use self::api_key_usage::Usage;
use self::readiness::Readiness;
use self::revocation_list::RevocationList;
use self::rewind::Rewind;
use crate::clock::Clock;
use crate::config::{Config, Database};
use crate::error::ApiError;
use crate::mail::{Delivered, Mailer};
use crate::rate_limits::Limits;
use crate::rate_limits::audit::ReachedLimits;
use crate::signing_keys::current::CurrentKeys;
use crate::signing_keys::key_ring::KeyRing;
use crate::signing_keys::rotation::{SigningKeyError, SigningKeys};
use crate::trusted_clock::TrustedClock;

/// The running service.
pub struct App {
    pub(crate) config: Config,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) trusted_clock: Arc<TrustedClock>,
    pub(crate) store: Arc<Store>,
    pub(crate) issuer: Issuer,
    pub(crate) lifetimes: SessionLifetimes,
    pub(crate) platform_policy: Policy,
    pub(crate) management_policy: Policy,
    pub(crate) limits: Limits,
    pub(crate) usage: Usage,
    pub(crate) refusals: Refusals,
    pub(crate) reached_limits: ReachedLimits,
    pub(crate) readiness: Readiness,
    pub(crate) revocations: RevocationList,
    pub(crate) rewind: Rewind,
    pub(crate) changes: changes::Changes,
    pub(crate) mail: Arc<Mailer>,
    pub(crate) current_keys: CurrentKeys,
    pub(crate) api_keys: ApiKeyCache,
}

impl App {
    /// Binds the database to the environment, creates missing signing keys, and loads the keys and
    /// the revocation list.
    pub async fn start(
        config: Config,
        store: Arc<Store>,
        clock: Arc<dyn Clock>,
    ) -> Result<Arc<Self>, SigningKeyError> {
        store.set_deadline(config.limits.database);
        store.bind_environment(config.environment).await?;
        let stored_keys = SigningKeys::new(Arc::clone(&store), &config);
        let trusted_clock = Arc::new(TrustedClock::new(Arc::clone(&store), Arc::clone(&clock)));
        let current_keys = CurrentKeys::start(stored_keys, trusted_clock.now().await?).await?;
        let issuer = Issuer {
            url: config.issuer().to_owned(),
            audience: config.audience().to_owned(),
            environment: config.environment,
            access_ttl: SignedDuration::from_secs(i64::from(config.tokens.access_ttl_seconds)),
        };
        let mail = Arc::new(Mailer::new(
            &config,
            Arc::clone(&store),
            Arc::clone(&clock),
            Arc::clone(&trusted_clock),
        ));
        store.keep_mail(mail.is_available());
        let policy = |audience: &str| Policy::new(&issuer.url, audience).environment(config.environment);
        let days = |days: u32| SignedDuration::from_hours(24 * i64::from(days));
        Ok(Arc::new(Self {
            lifetimes: SessionLifetimes {
                idle: days(config.sessions.idle_days),
                absolute: days(config.sessions.max_days),
                reuse_grace: SignedDuration::from_secs(i64::from(config.sessions.reuse_grace_seconds)),
            },
            platform_policy: policy(&issuer.audience),
            management_policy: policy(&issuer.url).sole_audience(),
            limits: Limits::new(&config.limits),
            usage: Usage::default(),
            refusals: Refusals::default(),
            reached_limits: ReachedLimits::default(),
            readiness: Readiness::default(),
            revocations: RevocationList::start(
                Arc::clone(&store),
                issuer.clone(),
                clocks_apart(&config.database),
                clock.now(),
            )
            .await?,
            changes: changes::Changes::default(),
            rewind: Rewind::start(&store, config.after_rewind).await?,
            issuer,
            mail,
            api_keys: ApiKeyCache::new(Arc::clone(&store), api_key_cache::CAPACITY),
            current_keys,
            config,
            clock,
            trusted_clock,
            store,
        }))
    }

    /// The current signing and MAC keys of the service.
    pub(crate) fn keys(&self) -> Arc<KeyRing> {
        self.current_keys.ring()
    }

    /// Refuses to issue tokens while this node knows that it would decide wrongly.
    pub(crate) fn may_issue_tokens(&self) -> Result<(), ApiError> {
        self.store.check_clock()?;
        self.rewind.check()
    }

    /// The mails in the mailbox, newest first. `None` if mail is sent by SMTP or not at all.
    pub fn mailbox(&self) -> Option<Vec<Arc<Delivered>>> {
        self.mail.mailbox()
    }

    /// The service's clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// How far the clocks of two nodes may be apart. With SQLite there is only one node.
fn clocks_apart(database: &Database) -> SignedDuration {
    match database {
        Database::Sqlite { .. } => SignedDuration::ZERO,
        // Each clock is within the bound of the database's clock: one may be ahead, the other
        // behind.
        Database::Postgres { .. } => tm_auth_store::postgres::MAX_APART * 2,
    }
}
