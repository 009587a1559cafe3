//! The revocation list, polled.
//!
//! 1. A background task gets the list every few seconds; mostly the answer is `304 Not Modified`.
//! 2. A list is used only if a key of the issuer signed it, it is of our issuer and environment, made
//!    already and not yet stale, and not older than the one in use.
//! 3. A `304` confirms the list in use only while that one is not stale itself: an answer that says "not
//!    modified" for ever must not keep revocations from us for ever.
//! 4. When no list could be had for longer than a set time, a metric says so, and tokens are treated as the
//!    policy wants. Revocations that were seen hold on in either case.

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

/// What becomes of tokens while the revocation list cannot be had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnStaleRevocations {
    /// They are judged by what is known: revocations that were seen hold, later ones are not seen. A token
    /// dies by its `exp` at the latest.
    #[default]
    FailOpen,
    /// None is accepted: [`Unavailable::Revocations`].
    FailClosed,
}

/// Settings of the feed.
pub(crate) struct FeedSettings {
    pub(crate) url: String,
    /// No list for longer than this is too long.
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
    /// When the list in use goes stale, Unix seconds.
    exp: i64,
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

    /// Holds a token against the list.
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

    /// How long ago the list was last confirmed.
    pub(crate) fn age(&self) -> Option<Duration> {
        self.current().confirmed.map(|at| at.elapsed())
    }

    /// Gets the list now.
    pub(crate) async fn poll(&self) -> Result<(), FetchError> {
        let mut etag = self.etag.lock().await;
        let result = self.fetch_list(&mut etag).await;
        let outcome = if let Err(error) = &result {
            // Whatever was wrong, ask for the whole list next time.
            *etag = None;
            tracing::warn!(url = self.settings.url, %error, "the revocation list could not be renewed");
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

    async fn verify(&self, text: &str) -> Result<RevocationList, FetchError> {
        match self.try_verify(text) {
            // The list may be the first thing that is signed with a new key, or come before the keys.
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

    fn accept(&self, list: RevocationList) -> Result<(), FetchError> {
        let exp = list.exp;
        // Outside the lock that each token takes: a long list takes a while. Only one poll is under way.
        let before = Arc::clone(&self.current().revocations);
        let revocations = before.updated_with(list).ok_or(FetchError::OlderRevocations)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = CurrentList {
            revocations: Arc::new(revocations),
            exp,
            confirmed: Some(Instant::now()),
        };
        Ok(())
    }

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
