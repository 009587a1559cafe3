//! The verifier: policy, keys, revocation list and clock of a resource server.

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

/// Verifies access tokens.
///
/// Clones are cheap. They share the keys, the revocation list and the background tasks, which end
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

/// The ages of the cached documents. `None` for a document that was never fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ages {
    /// Time since the issuer last confirmed its keys.
    pub keys: Option<Duration>,
    /// Time since the issuer last confirmed the revocation list.
    pub revocations: Option<Duration>,
}

impl Verifier {
    /// Starts to build a verifier of tokens that `issuer` (the public URL of its base path) issued
    /// for `audience`.
    pub fn builder(issuer: impl Into<String>, audience: impl Into<String>) -> VerifierBuilder {
        VerifierBuilder::new(issuer.into(), audience.into())
    }

    /// Verifies a token and returns its claims.
    ///
    /// 1. Check the token with the cached keys: see [`check`].
    /// 2. If `kid` is unknown, or there are no keys, fetch the keys, at most once per cool-down,
    ///    and check again. Only this step waits.
    /// 3. Check the claims against the revocation list.
    /// 4. Count the outcome in `tm_auth_verifier_tokens_total`.
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

    /// Returns the outcome of every check, with the cached keys and the cached revocation list.
    pub fn explain(&self, token: &str) -> Result<Vec<CheckResult>, Unavailable> {
        let (keys, now) = (self.keys()?, self.shared.clock.now());
        let mut results = explain(token, &keys, &self.shared.policy, now);
        let outcome = match self.decide(token) {
            Ok(_) => Outcome::Passed,
            Err(VerifyError::InvalidToken(revoked @ InvalidToken::Revoked(_))) => Outcome::Failed(revoked),
            Err(_) => Outcome::NotReached,
        };
        results.push(CheckResult {
            check: Check::Revocation,
            outcome,
        });
        Ok(results)
    }

    /// Fetches the keys and the revocation list now, regardless of the cool-down.
    ///
    /// Call it at start-up, before accepting requests: it fails if the issuer cannot be reached. In
    /// tests it makes a key rotation or a revocation known.
    pub async fn refresh(&self) -> Result<(), FetchError> {
        self.shared.keys.refresh().await?;
        match &self.shared.feed {
            Some(feed) => feed.poll().await,
            None => Ok(()),
        }
    }

    /// Returns the ages of the cached documents, for example for a health endpoint.
    pub fn ages(&self) -> Ages {
        Ages {
            keys: self.shared.keys.age(),
            revocations: self.shared.feed.as_ref().and_then(|feed| feed.age()),
        }
    }

    /// Steps 1 and 3 of [`Verifier::verify`].
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
