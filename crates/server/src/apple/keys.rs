//! Apple's public keys, and what is signed with them.
//!
//! 1. A set is fetched when it is needed, and anew when it is an hour old.
//! 2. A token with an unknown `kid` may have it fetched out of turn, at most once a minute: Apple changes keys
//!    without notice, and anybody can make up names.
//! 3. A set is replaced whole or not at all. One that could not be renewed is used for a day: Apple being out of reach
//!    for its keys alone is no reason to turn away what it signed.
//! 4. The algorithm is the key's, of the two that Apple's keys may have; nothing in a token chooses either.

use std::sync::{Arc, PoisonError, RwLock};

use jiff::{SignedDuration, Timestamp};
use tm_auth_proto::CompactJws;
use tm_auth_verifier::{Algorithm, KeySet};
use tokio::sync::Mutex;

use super::Failure;
use super::provider::Provider;

/// After this long a set is fetched anew.
const RENEW: SignedDuration = SignedDuration::from_hours(1);
/// After this long without success it is not used any more.
const STALE: SignedDuration = SignedDuration::from_hours(24);
/// Between two fetches.
const COOL_DOWN: SignedDuration = SignedDuration::from_mins(1);

pub(super) struct Keys(Arc<Cache>);

struct Cache {
    provider: Arc<Provider>,
    held: RwLock<Option<(Arc<KeySet>, Timestamp)>>,
    /// When the last fetch began. Locked while one is under way.
    flight: Mutex<Option<Timestamp>>,
}

impl Keys {
    pub(super) fn new(provider: Arc<Provider>) -> Self {
        Self(Arc::new(Cache {
            provider,
            held: RwLock::new(None),
            flight: Mutex::new(None),
        }))
    }

    /// The payload of a JWS, once its signature was verified with one of Apple's keys.
    pub(super) async fn open(&self, token: &str, now: Timestamp) -> Result<Vec<u8>, Failure> {
        let jws = CompactJws::parse(token).map_err(|_| Failure::Refused("it is no JWS"))?;
        let kid = jws
            .header
            .kid
            .as_deref()
            .ok_or(Failure::Refused("it names no key"))?;
        let keys = self.set_with(kid, now).await?;
        // RS256 is what Apple signs with; ES256 only if a key of its set is one.
        if !matches!(keys.algorithm(kid), Some(Algorithm::RS256 | Algorithm::ES256)) {
            return Err(Failure::Refused("it is signed by no key of Apple's"));
        }
        keys.verify_signature(&jws)
            .map_err(|_| Failure::Refused("its signature does not verify"))?;
        Ok(jws.payload)
    }

    /// A set that is fresh enough and has this key, where there is one.
    async fn set_with(&self, kid: &str, now: Timestamp) -> Result<Arc<KeySet>, Failure> {
        match self.0.held(now) {
            Some((keys, age)) if age < RENEW && keys.contains(kid) => return Ok(keys),
            _ => {}
        }
        // In a task of its own: whoever sent the request could otherwise break off each fetch as soon as the
        // cool-down lets one begin.
        let cache = Arc::clone(&self.0);
        let renewed = tokio::spawn(async move { cache.renew_if_cool(now).await });
        let renewed = renewed
            .await
            .unwrap_or_else(|error| Err(Failure::Unavailable(error.to_string())));
        match self.0.held(now) {
            Some((keys, _)) => Ok(keys),
            None => Err(renewed.err().unwrap_or_else(|| {
                Failure::Unavailable("the keys could not be fetched a moment ago".to_owned())
            })),
        }
    }
}

impl Cache {
    /// The set and its age, unless it is too old.
    fn held(&self, now: Timestamp) -> Option<(Arc<KeySet>, SignedDuration)> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner).clone();
        let (keys, fetched_at) = held?;
        let age = now.duration_since(fetched_at).abs();
        (age < STALE).then_some((keys, age))
    }

    async fn renew_if_cool(&self, now: Timestamp) -> Result<(), Failure> {
        let mut last = self.flight.lock().await;
        if last.is_some_and(|last| now.duration_since(last).abs() < COOL_DOWN) {
            return Ok(());
        }
        *last = Some(now);
        let text = self.provider.keys().await.inspect_err(|error| {
            tracing::warn!(?error, "Apple's keys could not be fetched");
        })?;
        let keys = KeySet::from_json(&text)
            .ok()
            .filter(|keys| !keys.is_empty())
            .ok_or_else(|| Failure::Unavailable("the key set holds no usable key".to_owned()))?;
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = Some((Arc::new(keys), now));
        Ok(())
    }
}
