//! Refused mints of a key, for the key's owner. They gather in memory and are written in one batch
//! every few seconds.
//!
//! Any caller can name a key, so the number of entries is bounded. The store ignores unknown key
//! ids.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;

use tm_auth_proto::{ErrorCode, KeyId};
use tm_auth_store::{KeyRefusal, Result, Store};

use crate::error::ApiError;
use crate::http::context::Context;

/// Maximum number of entries between two writes. Further ones are not recorded.
const CAPACITY: usize = 4096;

type Kind = (KeyId, &'static str, IpAddr);

#[derive(Default)]
pub(crate) struct Refusals(Mutex<HashMap<Kind, KeyRefusal>>);

impl Refusals {
    /// Records that a request that named this key was refused. Ignores failures of the service and
    /// requests that did not arrive in time.
    pub(crate) fn note(&self, context: &Context, key_id: KeyId, error: &ApiError) {
        if !error.is_refusal() || error.code == ErrorCode::RequestTimeout {
            return;
        }
        let code = error.code.as_str();
        self.add(
            KeyRefusal {
                key_id,
                code: code.to_owned(),
                ip: context.address,
                count: 1,
                last_at: context.now,
            },
            code,
        );
    }

    fn add(&self, refusal: KeyRefusal, code: &'static str) {
        let mut gathered = self.0.lock().expect("nothing panics while holding it");
        let has_room = gathered.len() < CAPACITY;
        match gathered.get_mut(&(refusal.key_id, code, refusal.ip)) {
            Some(known) => {
                known.count += refusal.count;
                known.last_at = known.last_at.max(refusal.last_at);
            }
            None if has_room => {
                gathered.insert((refusal.key_id, code, refusal.ip), refusal);
            }
            None => {}
        }
    }

    /// Writes the entries. If that fails, keeps them for the next call.
    pub(crate) async fn flush(&self, store: &Store) -> Result<()> {
        let gathered = std::mem::take(&mut *self.0.lock().expect("nothing panics while holding it"));
        if gathered.is_empty() {
            return Ok(());
        }
        let refusals = gathered.values().cloned().collect();
        let outcome = store.record_refusals(refusals).await;
        if outcome.is_err() {
            for ((_, code, _), refusal) in gathered {
                self.add(refusal, code);
            }
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn refusal(number: u32) -> KeyRefusal {
        KeyRefusal {
            key_id: KeyId(uuid::Uuid::from_u128(u128::from(number))),
            code: "invalid_credentials".to_owned(),
            ip: [192, 0, 2, 1].into(),
            count: 1,
            last_at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn q19_refusals_that_wait_to_be_written_are_bounded_and_known_ones_are_still_counted() {
        let refusals = Refusals::default();
        for number in (0..10_000).chain([0]) {
            refusals.add(refusal(number), "invalid_credentials");
        }
        let gathered = refusals.0.lock().unwrap();
        assert_eq!(gathered.len(), CAPACITY);
        let first = refusal(0);
        let first = gathered.get(&(first.key_id, "invalid_credentials", first.ip));
        assert_eq!(first.unwrap().count, 2);
    }
}
