//! What a resource server holds: policy, keys, revocations, clock.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use metrics::counter;
use tm_auth_proto::AccessClaims;
use tokio::task::AbortHandle;

use crate::builder::VerifierBuilder;
use crate::key_cache::KeyCache;
use crate::revocation_feed::RevocationFeed;
use crate::{
    Check, CheckResult, Clock, FetchError, InvalidToken, KeySet, Outcome, Policy, Unavailable, VerifyError,
    check, explain,
};

/// Verifies access tokens. Cheap to clone; clones share keys, revocations and background tasks, which end
/// when the last clone is dropped.
#[derive(Clone)]
pub struct Verifier {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) policy: Policy,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) keys: Arc<KeyCache>,
    pub(crate) feed: Option<Arc<RevocationFeed>>,
    pub(crate) tasks: Vec<AbortHandle>,
}

impl Drop for Shared {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// How old the copies are that tokens are held against; `None` for one that was never had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ages {
    /// Since the issuer last confirmed its keys.
    pub keys: Option<Duration>,
    /// Since the issuer last confirmed the revocation list.
    pub revocations: Option<Duration>,
}

impl Verifier {
    /// Begins a verifier of tokens of this issuer (the public URL of its base path) for this audience.
    pub fn builder(issuer: impl Into<String>, audience: impl Into<String>) -> VerifierBuilder {
        VerifierBuilder::new(issuer.into(), audience.into())
    }

    /// Verifies a token. Waits only where it names a key that is not known, or none was had yet: then the
    /// issuer's keys are got, at most once per cool-down whatever the number of such tokens.
    pub async fn verify(&self, token: &str) -> Result<AccessClaims, VerifyError> {
        let result = match self.decide(token) {
            Err(
                VerifyError::InvalidToken(InvalidToken::UnknownKey)
                | VerifyError::Unavailable(Unavailable::Keys),
            ) => {
                self.shared.keys.refresh_unless_cooling_down().await;
                self.decide(token)
            }
            result => result,
        };
        let outcome = match &result {
            Ok(_) => "accepted",
            Err(VerifyError::InvalidToken(refusal)) => refusal.check().as_str(),
            Err(VerifyError::Unavailable(_)) => "unavailable",
        };
        counter!("tm_auth_verifier_tokens_total", "outcome" => outcome).increment(1);
        result
    }

    /// Tells of every check whether it holds, with the keys and revocations that are here now.
    pub fn explain(&self, token: &str) -> Result<Vec<CheckResult>, Unavailable> {
        let (keys, now) = (self.keys()?, self.shared.clock.now());
        let mut lines = explain(token, &keys, &self.shared.policy, now);
        let outcome = match self.decide(token) {
            Ok(_) => Outcome::Passed,
            Err(VerifyError::InvalidToken(revoked @ InvalidToken::Revoked(_))) => Outcome::Failed(revoked),
            Err(_) => Outcome::NotReached,
        };
        lines.push(CheckResult {
            check: Check::Revocation,
            outcome,
        });
        Ok(lines)
    }

    /// Gets keys and revocation list now. At start-up, before the first request is let in, this tells
    /// whether the issuer can be reached; in tests it makes a rotation or a revocation known.
    pub async fn refresh(&self) -> Result<(), FetchError> {
        self.shared.keys.refresh().await?;
        match &self.shared.feed {
            Some(feed) => feed.poll().await,
            None => Ok(()),
        }
    }

    /// How old the copies are, for a health page.
    pub fn ages(&self) -> Ages {
        Ages {
            keys: self.shared.keys.age(),
            revocations: self.shared.feed.as_ref().and_then(|feed| feed.age()),
        }
    }

    fn decide(&self, token: &str) -> Result<AccessClaims, VerifyError> {
        let keys = self.keys()?;
        let claims = check(token, &keys, &self.shared.policy, self.shared.clock.now())?;
        if let Some(feed) = &self.shared.feed {
            feed.check(&claims)?;
        }
        Ok(claims)
    }

    fn keys(&self) -> Result<Arc<KeySet>, Unavailable> {
        self.shared.keys.current().ok_or(Unavailable::Keys)
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier")
            .field("policy", &self.shared.policy)
            .finish_non_exhaustive()
    }
}
