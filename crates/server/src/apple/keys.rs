//! Apple's public keys, and what they signed.
//!
//! 1. The verifier's cache fetches the set when it is needed, and again when it is an hour old.
//! 2. A token with an unknown `kid` may cause a fetch out of turn, at most once a minute: Apple
//!    changes keys without notice, and a stranger can make up names.
//! 3. A set that cannot be renewed is used for a day: only Apple's keys being out of reach is not a
//!    reason to refuse what Apple signed.
//! 4. The algorithm is the key's, one of the two that Apple's keys may have. Nothing in a token
//!    chooses either.

use std::sync::Arc;
use std::time::Duration;

use tm_auth_proto::CompactJws;
use tm_auth_verifier::{Algorithm, HttpFetch, KeyCache, KeyTimes};
use tokio::sync::OnceCell;

use super::failure::Failure;
use crate::clock::Clock;

pub(super) struct Keys {
    url: String,
    clock: Arc<dyn Clock>,
    /// Set up with the first token: a machine without certificates runs everything else.
    cache: OnceCell<Arc<KeyCache>>,
}

impl Keys {
    pub(super) fn new(issuer: &str, clock: Arc<dyn Clock>) -> Self {
        Self {
            url: format!("{issuer}/auth/keys"),
            clock,
            cache: OnceCell::new(),
        }
    }

    /// The payload of a JWS, once its signature was verified with one of Apple's keys.
    pub(super) async fn open(&self, token: &str) -> Result<Vec<u8>, Failure> {
        let jws = CompactJws::parse(token).map_err(|_| Failure::Refused("it is not a JWS"))?;
        let kid = jws
            .header
            .kid
            .as_deref()
            .ok_or(Failure::Refused("it names no key"))?;
        let keys = self.cache().await?.keys_for(kid).await;
        let keys = keys.ok_or_else(|| Failure::Unavailable("Apple's keys cannot be fetched".to_owned()))?;
        // Apple signs with RS256. ES256 counts only if a key of its set names it.
        if !matches!(keys.algorithm(kid), Some(Algorithm::RS256 | Algorithm::ES256)) {
            return Err(Failure::Refused("none of Apple's keys signed it"));
        }
        keys.verify_signature(&jws)
            .map_err(|_| Failure::Refused("its signature does not verify"))?;
        Ok(jws.payload)
    }

    async fn cache(&self) -> Result<&Arc<KeyCache>, Failure> {
        let set_up = async || {
            let fetch = HttpFetch::new().map_err(|error| Failure::Unavailable(error.to_string()))?;
            let mut times = KeyTimes::default();
            times.max_age = Duration::from_hours(1);
            times.cool_down = Duration::from_mins(1);
            let clock = Arc::clone(&self.clock);
            let elapsed = move || clock.now().as_duration().unsigned_abs();
            let cache = KeyCache::new(Arc::new(fetch), self.url.clone(), times, elapsed);
            Ok(Arc::new(cache))
        };
        self.cache.get_or_try_init(set_up).await
    }
}
