//! Reached limits, for the audit trail. They are counted in memory and written once a minute, one
//! entry per site (an IPv4 address or an IPv6 /48). Otherwise a client that sends too many requests
//! would also fill the trail.
//!
//! The number of entries in memory is bounded. Beyond the bound only the metrics count a request.

use std::collections::HashMap;
use std::sync::Mutex;

use jiff::{SignedDuration, Timestamp};
use tm_auth_listener::NetworkPrefix;
use tm_auth_store::{AuditAction, AuditContext, AuditEntry, Result, Store};

use crate::http::context::Context;

/// The maximum number of sites in memory.
const CAPACITY: usize = 256;

/// How long an entry counts requests before it is written.
const GATHER: SignedDuration = SignedDuration::from_mins(1);

struct Reached {
    /// The route of the first refused request.
    route: String,
    /// The context of the first refused request.
    audit_context: AuditContext,
    count: u64,
}

#[derive(Default)]
pub(crate) struct ReachedLimits(Mutex<HashMap<NetworkPrefix, Reached>>);

impl ReachedLimits {
    /// Counts a request that was refused with 429.
    pub(crate) fn note(&self, context: &Context, route: &str) {
        let mut gathered = self.0.lock().expect("nothing panics while holding it");
        let has_room = gathered.len() < CAPACITY;
        let site = NetworkPrefix::site(context.address);
        match gathered.get_mut(&site) {
            Some(reached) => reached.count += 1,
            None if has_room => {
                let audit_context = context.audit_context("visitor");
                gathered.insert(
                    site,
                    Reached {
                        route: route.to_owned(),
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
        let due: HashMap<NetworkPrefix, Reached> = {
            let mut gathered = self.0.lock().expect("nothing panics while holding it");
            let is_due = |_: &NetworkPrefix, reached: &mut Reached| {
                now.is_none_or(|now| now.duration_since(reached.audit_context.at) >= GATHER)
            };
            gathered.extract_if(is_due).collect()
        };
        if due.is_empty() {
            return Ok(());
        }
        let entries = due.values().map(entry).collect();
        let outcome = store.audit(entries).await;
        if outcome.is_err() {
            let mut gathered = self.0.lock().expect("nothing panics while holding it");
            for (site, reached) in due {
                gathered
                    .entry(site)
                    .and_modify(|newer| newer.count += reached.count)
                    .or_insert(reached);
            }
        }
        outcome
    }
}

fn entry(reached: &Reached) -> AuditEntry {
    AuditEntry {
        audit_context: reached.audit_context.clone(),
        action: AuditAction::LimitReached,
        uid: None,
        key_id: None,
        sid: None,
        detail: Some(format!(
            "code=rate_limited route={} count={}",
            reached.route, reached.count
        )),
    }
}
