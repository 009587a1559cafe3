//! Reached limits, for the audit trail. They gather in memory and are written once a minute per
//! network and route, with a count. Otherwise a client that sends too many requests would also fill
//! the trail.
//!
//! The number of entries is bounded. Beyond the bound only the metrics count a request.

use std::collections::HashMap;
use std::sync::Mutex;

use jiff::{SignedDuration, Timestamp};
use tm_auth_store::{AuditAction, AuditContext, AuditEntry, Result, Store};

use crate::http::client_address::NetworkPrefix;
use crate::http::context::Context;

/// Maximum number of pairs of network and route in memory.
const CAPACITY: usize = 1024;

/// How long requests are counted before an entry is written.
const GATHER: SignedDuration = SignedDuration::from_mins(1);

/// The network that was limited, and the route.
type Kind = (NetworkPrefix, String);

struct Reached {
    /// The context of the first refused request.
    audit_context: AuditContext,
    count: u64,
}

#[derive(Default)]
pub(crate) struct ReachedLimits(Mutex<HashMap<Kind, Reached>>);

impl ReachedLimits {
    /// Records that a request was answered with 429.
    pub(crate) fn note(&self, context: &Context, route: &str) {
        let mut gathered = self.0.lock().expect("nothing panics while holding it");
        let has_room = gathered.len() < CAPACITY;
        let kind = (NetworkPrefix::of(context.address), route.to_owned());
        match gathered.get_mut(&kind) {
            Some(reached) => reached.count += 1,
            None if has_room => {
                let audit_context = context.audit_context("visitor");
                gathered.insert(
                    kind,
                    Reached {
                        audit_context,
                        count: 1,
                    },
                );
            }
            None => {}
        }
    }

    /// Writes the entries that are at least [`GATHER`] old at `now`, or all if `now` is `None`. If
    /// that fails, keeps them for the next call.
    pub(crate) async fn flush(&self, store: &Store, now: Option<Timestamp>) -> Result<()> {
        let due: HashMap<Kind, Reached> = {
            let mut gathered = self.0.lock().expect("nothing panics while holding it");
            let is_due = |_: &Kind, reached: &mut Reached| {
                now.is_none_or(|now| now.duration_since(reached.audit_context.at) >= GATHER)
            };
            gathered.extract_if(is_due).collect()
        };
        if due.is_empty() {
            return Ok(());
        }
        let entries = due
            .iter()
            .map(|((_, route), reached)| entry(route, reached))
            .collect();
        let outcome = store.audit(entries).await;
        if outcome.is_err() {
            let mut gathered = self.0.lock().expect("nothing panics while holding it");
            for (kind, reached) in due {
                gathered
                    .entry(kind)
                    .and_modify(|newer| newer.count += reached.count)
                    .or_insert(reached);
            }
        }
        outcome
    }
}

fn entry(route: &str, reached: &Reached) -> AuditEntry {
    AuditEntry {
        audit_context: reached.audit_context.clone(),
        action: AuditAction::LimitReached,
        uid: None,
        key_id: None,
        sid: None,
        detail: Some(format!("code=rate_limited route={route} count={}", reached.count)),
    }
}
