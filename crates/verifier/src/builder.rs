//! The settings of a [`Verifier`] and their defaults.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::Url;
use tm_auth_proto::Environment;
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::background;
use crate::key_cache::{KeyCache, KeyTimes};
use crate::revocation_feed::{FeedSettings, RevocationFeed};
use crate::verifier::Shared;
use crate::{Clock, Fetch, HttpFetch, LeewayTooLong, OnStaleRevocations, Policy, SystemClock, Verifier};

/// Builds a [`Verifier`]. Each method names its default; only issuer and audience are required.
#[derive(Clone)]
#[must_use]
pub struct VerifierBuilder {
    policy: Policy,
    leeway: Option<u8>,
    jwks_url: Option<String>,
    revocations_url: Option<String>,
    revocations: bool,
    fetch: Option<Arc<dyn Fetch>>,
    clock: Arc<dyn Clock>,
    times: KeyTimes,
    poll_interval: Duration,
    revocations_max_stale: Duration,
    on_stale: OnStaleRevocations,
}

/// Why a verifier cannot be built. Always the fault of this deployment: its settings or its
/// runtime.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The leeway is too long.
    #[error(transparent)]
    Leeway(#[from] LeewayTooLong),
    /// The text is not a URL, or it is a plain `http` URL of another machine.
    #[error("`{0}` is not an https URL (plain http is for loopback only)")]
    Url(String),
    /// `build` was called outside a tokio runtime, which the background tasks need.
    #[error("a verifier must be built inside a tokio runtime")]
    NoRuntime,
    /// The HTTP client cannot be created, for example because TLS cannot be set up.
    #[error("the HTTP client cannot be created: {0}")]
    Http(#[from] reqwest::Error),
}

impl VerifierBuilder {
    pub(crate) fn new(issuer: String, audience: String) -> Self {
        Self {
            policy: Policy::new(issuer, audience),
            leeway: None,
            jwks_url: None,
            revocations_url: None,
            revocations: true,
            fetch: None,
            clock: Arc::new(SystemClock),
            times: KeyTimes::default(),
            poll_interval: Duration::from_secs(5),
            revocations_max_stale: Duration::from_mins(1),
            on_stale: OnStaleRevocations::FailOpen,
        }
    }

    /// Accepts tokens for this audience too. By default only the audience given to
    /// [`Verifier::builder`] is accepted.
    pub fn add_audience(mut self, audience: impl Into<String>) -> Self {
        self.policy = self.policy.add_audience(audience);
        self
    }

    /// Accepts only tokens of this environment. By default both are accepted. Set it, so that
    /// tokens of the other environment are rejected even if the issuer is misconfigured.
    pub fn environment(mut self, environment: Environment) -> Self {
        self.policy = self.policy.environment(environment);
        self
    }

    /// Tolerates clocks that differ by this many seconds. 0 to 60, by default 10.
    pub fn leeway(mut self, seconds: u8) -> Self {
        self.leeway = Some(seconds);
        self
    }

    /// The URL of the JWKS. By default `{issuer}/.well-known/jwks.json`.
    pub fn jwks_url(mut self, url: impl Into<String>) -> Self {
        self.jwks_url = Some(url.into());
        self
    }

    /// The URL of the revocation list. By default `{issuer}/revocations`.
    pub fn revocations_url(mut self, url: impl Into<String>) -> Self {
        self.revocations_url = Some(url.into());
        self
    }

    /// Does not fetch the revocation list: every token is then accepted until its `exp`.
    pub fn without_revocations(mut self) -> Self {
        self.revocations = false;
        self
    }

    /// Fetches the documents with this. By default with [`HttpFetch`].
    pub fn fetch(mut self, fetch: impl Fetch) -> Self {
        self.fetch = Some(Arc::new(fetch));
        self
    }

    /// Reads the time of day from this clock. By default from [`SystemClock`].
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Refreshes the keys after this time, plus or minus 10 %, or sooner if the issuer's
    /// `Cache-Control: max-age` is shorter, but not before the cool-down. By default 300 s.
    pub fn keys_max_age(mut self, max_age: Duration) -> Self {
        self.times.max_age = max_age;
        self
    }

    /// The shortest time between two fetches of the keys because of an unknown `kid`. By default 30
    /// s.
    pub fn keys_cool_down(mut self, cool_down: Duration) -> Self {
        self.times.cool_down = cool_down;
        self
    }

    /// Uses the keys for this time after the issuer last confirmed them. Then every token fails
    /// with [`Unavailable::Keys`](crate::Unavailable::Keys). By default 24 h.
    pub fn keys_max_stale(mut self, max_stale: Duration) -> Self {
        self.times.max_stale = max_stale;
        self
    }

    /// The deadline of one fetch, of the keys or of the revocation list. By default 5 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.times.timeout = timeout;
        self
    }

    /// The interval, plus or minus 10 %, at which the revocation list is polled. By default 5 s.
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.poll_interval = interval;
        self
    }

    /// The revocation list is stale if the issuer last confirmed it longer ago than this. By
    /// default 60 s.
    pub fn revocations_max_stale(mut self, max_stale: Duration) -> Self {
        self.revocations_max_stale = max_stale;
        self
    }

    /// What to do with tokens while the revocation list is stale. By default
    /// [`OnStaleRevocations::FailOpen`].
    pub fn on_stale_revocations(mut self, on_stale: OnStaleRevocations) -> Self {
        self.on_stale = on_stale;
        self
    }

    /// Checks the settings and starts the background tasks, which begin by fetching the keys and
    /// the revocation list.
    pub fn build(self) -> Result<Verifier, BuildError> {
        let runtime = Handle::try_current().map_err(|_| BuildError::NoRuntime)?;
        let policy = match self.leeway {
            Some(seconds) => self.policy.leeway(seconds)?,
            None => self.policy,
        };
        let under_issuer = |path: &str| format!("{}/{path}", policy.issuer().trim_end_matches('/'));
        let jwks_url = self
            .jwks_url
            .unwrap_or_else(|| under_issuer(".well-known/jwks.json"));
        let revocations_url = self
            .revocations_url
            .unwrap_or_else(|| under_issuer("revocations"));
        for url in [&jwks_url, &revocations_url] {
            if !is_secure(url) {
                return Err(BuildError::Url(url.clone()));
            }
        }
        let fetch = match self.fetch {
            Some(fetch) => fetch,
            None => Arc::new(HttpFetch::new()?),
        };
        let started = Instant::now();
        let elapsed = move || started.elapsed();
        let keys = KeyCache::new(Arc::clone(&fetch), jwks_url, self.times, elapsed);
        let keys = Arc::new(keys);
        let feed = self.revocations.then(|| {
            let settings = FeedSettings {
                url: revocations_url,
                max_stale: self.revocations_max_stale,
                on_stale: self.on_stale,
                timeout: self.times.timeout,
            };
            let (clock, keys) = (Arc::clone(&self.clock), Arc::clone(&keys));
            Arc::new(RevocationFeed::new(fetch, clock, keys, policy.clone(), settings))
        });
        let mut tasks = vec![
            runtime
                .spawn(background::refresh_keys(Arc::clone(&keys)))
                .abort_handle(),
        ];
        if let Some(feed) = &feed {
            let poll = background::poll_revocations(Arc::clone(feed), self.poll_interval);
            tasks.push(runtime.spawn(poll).abort_handle());
        }
        let shared = Shared {
            policy,
            clock: self.clock,
            keys,
            feed,
            tasks,
        };
        Ok(Verifier {
            shared: Arc::new(shared),
        })
    }
}

/// Whether responses from this URL cannot be changed on the way: it uses TLS, or stays on this
/// machine.
fn is_secure(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else {
        return false;
    };
    let loopback = || {
        let host = url.host_str().unwrap_or_default().trim_matches(['[', ']']);
        host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
    };
    url.scheme() == "https" || (url.scheme() == "http" && loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_accepted_for_this_machine_only() {
        for good in [
            "https://api.truemarkets.co/v1/auth/revocations",
            "http://localhost:8080/x",
            "http://127.0.0.1:8080/x",
            "http://[::1]:8080/x",
        ] {
            assert!(is_secure(good), "{good}");
        }
        for bad in [
            "http://api.truemarkets.co/x",
            "http://10.0.0.1/x",
            "http://[2001:db8::1]/x",
            "http://localhost.example/x",
            "ftp://localhost/x",
            "file:///etc/passwd",
            "/x",
            "",
        ] {
            assert!(!is_secure(bad), "{bad}");
        }
    }
}
