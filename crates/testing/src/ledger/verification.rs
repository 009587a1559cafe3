//! Compares every entry of the ledger with the state of the service after the faults.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use tm_auth_client::{ApiError, AuthApi};
use tm_auth_proto::{CompactJws, ErrorCode, RevocationList, SessionId};
use tokio::task::JoinSet;

use super::{Counts, Entry, Ledger};
use crate::history::{Checker, Summary, Violation};

/// The number of concurrent requests.
const AT_ONCE: usize = 16;
/// The maximum length of a revocation list, in bytes.
const MAX_LIST_LEN: usize = 16 << 20;

/// The result of a run.
#[derive(Debug)]
pub struct Report {
    /// The counts of the run.
    pub counts: Counts,
    /// Acknowledged writes that are missing.
    pub lost: Vec<String>,
    /// Revoked keys and ended sessions that still work.
    pub resurrected: Vec<String>,
    /// The outcome of the history check.
    pub history: Result<Summary, Violation>,
}

impl Ledger {
    /// Compares every entry with the service. Can run only once, since it exchanges each session's
    /// newest token.
    pub async fn verify(self: &Arc<Self>) -> Report {
        let mut report = Report {
            counts: self.counts(),
            lost: std::mem::take(&mut self.entries().lost),
            resurrected: Vec::new(),
            history: Ok(Summary::default()),
        };
        self.verify_sessions(&mut report).await;
        self.verify_keys(&mut report).await;
        for node in self.client.nodes() {
            self.verify_list(node, &mut report).await;
        }
        report.history = Checker::default().check(&self.client.history());
        report
    }

    /// Compares the sessions with their rows in the database: the counter of the newest token, and
    /// whether the session is live. Finds a loss that no request shows: a service that lost the last
    /// rotations fast-forwards to the presented token.
    pub fn missing_from(&self, rows: &BTreeMap<SessionId, (i64, bool)>) -> Vec<String> {
        let mut missing = Vec::new();
        for (session, entry) in self.sessions() {
            let acknowledged = entry.held.counter;
            match rows.get(&session) {
                None => missing.push(format!("session {session} has no row")),
                Some((current, _)) if *current < acknowledged => missing.push(format!(
                    "session {session} is at counter {current}, but {acknowledged} was acknowledged"
                )),
                Some((_, live)) if *live == entry.ended => missing.push(format!(
                    "session {session}: its row is live = {live}, but its acknowledged end is {}",
                    entry.ended
                )),
                Some(_) => {}
            }
        }
        missing
    }

    async fn verify_sessions(self: &Arc<Self>, report: &mut Report) {
        let mut tasks = JoinSet::new();
        let sessions: Vec<Entry> = self.sessions().into_values().collect();
        for part in sessions.chunks(sessions.len().div_ceil(AT_ONCE).max(1)) {
            let (ledger, part) = (Arc::clone(self), part.to_vec());
            tasks.spawn(async move {
                let mut outcomes = Vec::new();
                for entry in part {
                    let outcome = ledger.client.refresh(&entry.held).await;
                    outcomes.push((entry, outcome.map(|held| held.counter)));
                }
                outcomes
            });
        }
        for (entry, outcome) in tasks.join_all().await.into_iter().flatten() {
            self.verify_session(&entry, outcome, report);
        }
    }

    fn verify_session(&self, entry: &Entry, outcome: Result<i64, ApiError>, report: &mut Report) {
        let (session, key) = (entry.held.session, entry.key_id);
        let (requested, revoked) = {
            let entries = self.entries();
            (entries.revoking.contains(&key), entries.revoked.contains(&key))
        };
        match outcome {
            Ok(_) if entry.ended => report.resurrected.push(format!("ended session {session}")),
            Ok(_) if revoked => report
                .resurrected
                .push(format!("session {session} of revoked key {key}")),
            Ok(counter) if counter == entry.held.counter + 1 => {}
            Ok(counter) => report.lost.push(format!(
                "session {session}: counter {} was followed by {counter}",
                entry.held.counter
            )),
            Err(error) if error.code() == Some(ErrorCode::SessionEnded) && entry.ended => {}
            Err(error) if error.code() == Some(ErrorCode::KeyRevoked) && requested => {}
            Err(error) => report.lost.push(format!("session {session}: {error}")),
        }
    }

    async fn verify_keys(&self, report: &mut Report) {
        let bots = self.entries().bots.clone();
        for (key, bot) in bots {
            let outcome = self.client.mint(&bot).await;
            let entries = self.entries();
            let (requested, revoked) = (entries.revoking.contains(&key), entries.revoked.contains(&key));
            match outcome {
                Ok(_) if revoked => report.resurrected.push(format!("revoked key {key}")),
                Ok(_) => {}
                Err(error) if error.code() == Some(ErrorCode::KeyRevoked) && requested => {}
                Err(error) => report.lost.push(format!("key {key}: {error}")),
            }
        }
    }

    /// Verifiers read the revocation list of any node, so each list must contain every revocation.
    async fn verify_list(&self, node: &AuthApi, report: &mut Report) {
        let list = match node.revocations(MAX_LIST_LEN).await {
            Ok(list) => list,
            Err(error) => return report.lost.push(format!("revocation list: {error}")),
        };
        let jws = CompactJws::parse_up_to(&list, MAX_LIST_LEN).expect("the list is a JWS");
        let list: RevocationList =
            serde_json::from_slice(&jws.payload).expect("the payload is a revocation list");
        let url = node.base_url();
        for key in self
            .entries()
            .revoked
            .iter()
            .filter(|key| !list.keys.contains(key))
        {
            report
                .lost
                .push(format!("key {key} on the revocation list of {url}"));
        }
        for (session, entry) in self.sessions() {
            if entry.ended && !list.sids.contains(&session) {
                report
                    .lost
                    .push(format!("session {session} on the revocation list of {url}"));
            }
        }
    }
}

impl Report {
    /// Panics if anything is lost or resurrected, or if the history failed.
    pub fn assert_clean(&self) {
        assert!(
            self.lost.is_empty() && self.resurrected.is_empty() && self.history.is_ok(),
            "{self}"
        );
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.counts)?;
        for (what, items) in [("lost", &self.lost), ("resurrected", &self.resurrected)] {
            writeln!(f, "{} {what}", items.len())?;
            for item in items.iter().take(20) {
                writeln!(f, "  {item}")?;
            }
        }
        match &self.history {
            Ok(summary) => write!(
                f,
                "the history of {} calls on {} sessions ({} without an answer) is linearizable",
                summary.operations, summary.sessions, summary.unknown
            ),
            Err(violation) => write!(f, "the history check failed: {violation}"),
        }
    }
}
