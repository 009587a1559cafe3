//! Reached limits, for the audit trail. They are counted in memory and written once a minute, one
//! entry per network and route. Otherwise a client that sends too many requests would also fill the
//! trail.
//!
//! The number of entries in memory is bounded. Beyond the bound only the metrics count a request.

use std::collections::HashMap;
use std::sync::Mutex;

use jiff::{SignedDuration, Timestamp};
use tm_auth_store::{AuditAction, AuditContext, AuditEntry, Result, Store};

use crate::http::client_address::NetworkPrefix;
use crate::http::context::Context;

/// The maximum number of pairs of network and route in memory.
const CAPACITY: usize = 1024;

/// How long an entry counts requests before it is written.
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
    /// Counts a request that was refused with 429.
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

    /// Writes the entries that are a minute old at `now`, or all entries if it is `None`. If the
    /// write fails, they stay for the next one.
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
