//! The settings of a [`Verifier`], each with the value it has where nobody sets it.

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
use crate::{Clock, Fetch, HttpFetch, LeewayTooLong, Policy, SystemClock, Verifier, WithoutRevocations};

/// Builds a [`Verifier`].
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
    max_silence: Duration,
    without: WithoutRevocations,
}

/// Settings with which no verifier can be built.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The leeway.
    #[error(transparent)]
    Leeway(#[from] LeewayTooLong),
    /// An address that is no URL, or one over plain HTTP that is not on this machine.
    #[error("`{0}` is not an https URL (plain http is for loopback only)")]
    Url(String),
    /// The background tasks need a tokio runtime to run in.
    #[error("a verifier is built inside a tokio runtime")]
    NoRuntime,
    /// The HTTP client.
    #[error("the HTTP client cannot be set up: {0}")]
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
            max_silence: Duration::from_mins(1),
            without: WithoutRevocations::GoOn,
        }
    }

    /// Accepts one more audience.
    pub fn or_audience(mut self, audience: impl Into<String>) -> Self {
        self.policy = self.policy.or_audience(audience);
        self
    }

    /// Expects tokens of this environment. Set it: the other environment's tokens are then refused even
    /// where somebody mixed up issuers.
    pub fn environment(mut self, environment: Environment) -> Self {
        self.policy = self.policy.environment(environment);
        self
    }

    /// Tolerates clocks that differ by this many seconds, 0 to 60; 10 where it is not set.
    pub fn leeway(mut self, seconds: u8) -> Self {
        self.leeway = Some(seconds);
        self
    }

    /// Where the keys are, instead of `{issuer}/.well-known/jwks.json`.
    pub fn jwks_url(mut self, url: impl Into<String>) -> Self {
        self.jwks_url = Some(url.into());
        self
    }

    /// Where the revocation list is, instead of `{issuer}/revocations`.
    pub fn revocations_url(mut self, url: impl Into<String>) -> Self {
        self.revocations_url = Some(url.into());
        self
    }

    /// Does without the revocation list: a token then dies by its `exp` only.
    pub fn without_revocations(mut self) -> Self {
        self.revocations = false;
        self
    }

    /// Fetches by other means than HTTPS.
    pub fn fetch(mut self, fetch: impl Fetch) -> Self {
        self.fetch = Some(Arc::new(fetch));
        self
    }

    /// Takes the time of day from elsewhere.
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Renews the keys after this long, or sooner where the issuer's `Cache-Control` says so; 300 s.
    pub fn keys_max_age(mut self, max_age: Duration) -> Self {
        self.times.max_age = max_age;
        self
    }

    /// Least time between two fetches of the keys that unknown key names cause; 30 s.
    pub fn keys_cool_down(mut self, cool_down: Duration) -> Self {
        self.times.cool_down = cool_down;
        self
    }

    /// Goes on for this long with keys that the issuer no longer confirms; 24 h. Then every token is
    /// answered with [`crate::Unavailable::Keys`].
    pub fn keys_max_stale(mut self, max_stale: Duration) -> Self {
        self.times.max_stale = max_stale;
        self
    }

    /// Deadline of one fetch of either document; 5 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.times.timeout = timeout;
        self
    }

    /// Polls the revocation list this often, less or more a tenth; 5 s.
    pub fn poll_interval(mut self, interval: Duration) -> Self {
        self.poll_interval = interval;
        self
    }

    /// Calls the revocation list unavailable after this long without one; 60 s.
    pub fn revocations_max_silence(mut self, max_silence: Duration) -> Self {
        self.max_silence = max_silence;
        self
    }

    /// What becomes of tokens while the revocation list is unavailable; they are accepted by default.
    pub fn when_revocations_are_unavailable(mut self, without: WithoutRevocations) -> Self {
        self.without = without;
        self
    }

    /// Checks the settings and starts the background tasks, which get keys and revocation list at once.
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
            if !is_private(url) {
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
                max_silence: self.max_silence,
                without: self.without,
                timeout: self.times.timeout,
            };
            let (clock, keys) = (Arc::clone(&self.clock), Arc::clone(&keys));
            Arc::new(RevocationFeed::new(fetch, clock, keys, policy.clone(), settings))
        });
        let mut tasks = vec![
            runtime
                .spawn(background::keep_keys(Arc::clone(&keys)))
                .abort_handle(),
        ];
        if let Some(feed) = &feed {
            let poll = background::keep_revocations(Arc::clone(feed), self.poll_interval);
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

/// Whether nobody on the way can change what comes from there: TLS, or this machine.
fn is_private(url: &str) -> bool {
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
    fn plain_http_is_for_this_machine_only() {
        for good in [
            "https://api.truemarkets.co/v1/auth/revocations",
            "http://localhost:8080/x",
            "http://127.0.0.1:8080/x",
            "http://[::1]:8080/x",
        ] {
            assert!(is_private(good), "{good}");
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
            assert!(!is_private(bad), "{bad}");
        }
    }
}
