//! Polls the revocation list.
//!
//! 1. A background task fetches the list every few seconds. The usual response is `304 Not
//!    Modified`.
//! 2. A new list is used only if [`check_revocations`] accepts it and it is not older than the list
//!    in use. If its key is unknown, the keys are refreshed first.
//! 3. A `304` confirms the list in use only until the `exp` of that list. Otherwise a proxy that
//!    always responds "not modified" could hide revocations forever.
//! 4. If the last confirmation is longer ago than `revocations_max_stale`, the list is stale: a
//!    metric reports it, and [`OnStaleRevocations`] decides about tokens. Revocations that were
//!    seen stay in force either way.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use metrics::{counter, gauge};
use tm_auth_proto::{AccessClaims, RevocationList};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::key_cache::KeyCache;
use crate::{
    Clock, Fetch, FetchError, FetchRequest, Fetched, InvalidToken, MAX_REVOCATIONS_LEN, Policy, Revocations,
    Unavailable, VerifyError, check_revocations,
};

/// What to do with a token while the revocation list is stale.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnStaleRevocations {
    /// Accept it unless a revocation was seen earlier. A token that was revoked since then is
    /// accepted until its `exp`. This is the default.
    #[default]
    FailOpen,
    /// Fail with [`Unavailable::Revocations`].
    FailClosed,
}

/// The settings of the feed.
pub(crate) struct FeedSettings {
    pub(crate) url: String,
    /// The list is stale if it was confirmed longer ago than this.
    pub(crate) max_stale: Duration,
    pub(crate) on_stale: OnStaleRevocations,
    /// Deadline of one fetch.
    pub(crate) timeout: Duration,
}

pub(crate) struct RevocationFeed {
    fetch: Arc<dyn Fetch>,
    clock: Arc<dyn Clock>,
    keys: Arc<KeyCache>,
    policy: Policy,
    settings: FeedSettings,
    current: RwLock<CurrentList>,
    etag: Mutex<Option<String>>,
}

#[derive(Clone, Default)]
struct CurrentList {
    revocations: Arc<Revocations>,
    /// `exp` of the list in use, in Unix seconds.
    exp: i64,
    /// When the issuer last confirmed the list in use.
    confirmed: Option<Instant>,
}

impl RevocationFeed {
    pub(crate) fn new(
        fetch: Arc<dyn Fetch>,
        clock: Arc<dyn Clock>,
        keys: Arc<KeyCache>,
        policy: Policy,
        settings: FeedSettings,
    ) -> Self {
        Self {
            fetch,
            clock,
            keys,
            policy,
            settings,
            current: RwLock::default(),
            etag: Mutex::default(),
        }
    }

    /// Step 4: checks the claims of a token against the list.
    pub(crate) fn check(&self, claims: &AccessClaims) -> Result<(), VerifyError> {
        let current = self.current.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(revoked) = current.revocations.revoked(claims) {
            return Err(InvalidToken::Revoked(revoked).into());
        }
        if self.settings.on_stale == OnStaleRevocations::FailClosed && self.is_stale(current.confirmed) {
            return Err(Unavailable::Revocations.into());
        }
        Ok(())
    }

    /// Returns how long ago the issuer last confirmed the list. `None` if there is no list.
    pub(crate) fn age(&self) -> Option<Duration> {
        self.current().confirmed.map(|at| at.elapsed())
    }

    /// Fetches the list now, and does steps 2 and 3.
    pub(crate) async fn poll(&self) -> Result<(), FetchError> {
        let mut etag = self.etag.lock().await;
        let result = self.fetch_list(&mut etag).await;
        let outcome = if let Err(error) = &result {
            // Fetch the full list next time, since a 304 would not help.
            *etag = None;
            tracing::warn!(url = self.settings.url, %error, "cannot refresh the revocation list");
            "failed"
        } else {
            "ok"
        };
        counter!("tm_auth_verifier_fetches_total", "document" => "revocations", "outcome" => outcome)
            .increment(1);
        self.report_metrics();
        result
    }

    async fn fetch_list(&self, etag: &mut Option<String>) -> Result<(), FetchError> {
        let request = FetchRequest {
            url: &self.settings.url,
            etag: etag.as_deref(),
            max_len: MAX_REVOCATIONS_LEN,
        };
        let fetched = timeout(self.settings.timeout, self.fetch.fetch(request))
            .await
            .map_err(|_| FetchError::Timeout)??;
        match fetched {
            Fetched::NotModified { .. } => self.confirm(),
            Fetched::Document { body, etag: new, .. } => {
                let text = std::str::from_utf8(&body).map_err(|_| FetchError::RevocationsNotText)?;
                self.accept(self.verify(text.trim_ascii()).await?)?;
                *etag = new;
                Ok(())
            }
        }
    }

    /// Step 2: verifies a list, with refreshed keys if necessary.
    async fn verify(&self, text: &str) -> Result<RevocationList, FetchError> {
        match self.try_verify(text) {
            // The list may be the first document that is signed with a new key, or arrive before
            // the keys do.
            Err(FetchError::NoKeys | FetchError::InvalidRevocations(InvalidToken::UnknownKey)) => {
                self.keys.refresh_unless_cooling_down().await;
                self.try_verify(text)
            }
            result => result,
        }
    }

    fn try_verify(&self, text: &str) -> Result<RevocationList, FetchError> {
        let keys = self.keys.current().ok_or(FetchError::NoKeys)?;
        check_revocations(text, &keys, &self.policy, self.clock.now()).map_err(FetchError::InvalidRevocations)
    }

    /// Step 2: replaces the list in use.
    fn accept(&self, list: RevocationList) -> Result<(), FetchError> {
        let exp = list.exp;
        // Merge outside the lock that each token takes, because merging a long list takes long. The
        // lock on `etag` ensures that there is one poll at a time.
        let before = Arc::clone(&self.current().revocations);
        let revocations = before.updated_with(list).ok_or(FetchError::OlderRevocations)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = CurrentList {
            revocations: Arc::new(revocations),
            exp,
            confirmed: Some(Instant::now()),
        };
        Ok(())
    }

    /// Step 3: confirms the list in use.
    fn confirm(&self) -> Result<(), FetchError> {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        self.policy
            .check_expiry(current.exp, self.clock.now().as_second())
            .map_err(|_| FetchError::UnexpectedNotModified)?;
        current.confirmed = Some(Instant::now());
        Ok(())
    }

    fn is_stale(&self, confirmed: Option<Instant>) -> bool {
        confirmed.is_none_or(|at| at.elapsed() > self.settings.max_stale)
    }

    fn current(&self) -> CurrentList {
        self.current
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn report_metrics(&self) {
        let current = self.current();
        if let Some(at) = current.confirmed {
            gauge!("tm_auth_verifier_revocations_age_seconds").set(at.elapsed().as_secs_f64());
        }
        let entries = u32::try_from(current.revocations.len()).unwrap_or(u32::MAX);
        gauge!("tm_auth_verifier_revocations").set(entries);
        let is_stale = u8::from(self.is_stale(current.confirmed));
        gauge!("tm_auth_verifier_revocations_stale").set(is_stale);
    }
}
