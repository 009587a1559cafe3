//! Why keys were refused, for their owners: gathered in memory, written in one batch every few seconds.
//!
//! Anybody can name a key, so what gathers is bounded; what names no key is passed over by the store.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;

use tm_auth_proto::{ErrorCode, KeyId};
use tm_auth_store::{KeyRefusal, Result};

use crate::app::App;
use crate::error::ApiError;
use crate::http::context::Context;

/// Most that gathers between two writes. What comes beyond it is not told.
const CAPACITY: usize = 4096;

type Kind = (KeyId, &'static str, IpAddr);

#[derive(Default)]
pub(crate) struct Refusals(Mutex<HashMap<Kind, KeyRefusal>>);

impl Refusals {
    /// Notes that a request which named this key got this answer. A failure of ours is no refusal.
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

    /// Writes what gathered. What cannot be written is kept for the next time.
    pub(crate) async fn flush(&self, app: &App) -> Result<()> {
        let gathered = std::mem::take(&mut *self.0.lock().expect("nothing panics while holding it"));
        if gathered.is_empty() {
            return Ok(());
        }
        let refusals = gathered.values().cloned().collect();
        let outcome = app.in_time(app.store.record_refusals(refusals)).await;
        if outcome.is_err() {
            for ((_, code, _), refusal) in gathered {
                self.add(refusal, code);
            }
        }
        outcome
    }
}
