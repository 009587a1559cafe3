//! Apple's public keys, and what they signed.
//!
//! 1. The verifier's cache fetches the set when it is needed, and again when it is an hour old.
//! 2. A token with an unknown `kid` causes an early fetch, because Apple changes keys without
//!    notice. This happens at most once a minute, because an attacker can invent key ids.
//! 3. If the set cannot be fetched, the old one is used for up to a day: a failure of the network
//!    is no reason to refuse what Apple signed.
//! 4. The key determines the algorithm, RS256 or ES256. The token cannot choose one.

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
    /// Created with the first token, so that all else works on a machine without certificates.
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

    /// Verifies the signature of a JWS with one of Apple's keys. Returns the payload.
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
