//! After the faults: every entry of the ledger against what the service says now.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use tm_auth_client::{ApiError, AuthApi};
use tm_auth_proto::{CompactJws, ErrorCode, RevocationList, SessionId};
use tokio::task::JoinSet;

use super::{Counts, Entry, Ledger};
use crate::history::{Judge, Summary, Violation};

/// Requests at once.
const AT_ONCE: usize = 16;
/// Of a revocation list, in bytes.
const LONGEST_LIST: usize = 16 << 20;

/// What a run came to.
#[derive(Debug)]
pub struct Report {
    /// Its figures.
    pub counts: Counts,
    /// What was acknowledged and is gone.
    pub lost: Vec<String>,
    /// What was revoked and works.
    pub resurrected: Vec<String>,
    /// Two tokens where there can be one, or a history that no order explains.
    pub history: Result<Summary, Violation>,
}

impl Ledger {
    /// Compares everything. Presents each session's newest token, so it can be done once.
    pub async fn reckon(self: &Arc<Self>) -> Report {
        let mut report = Report {
            counts: self.counts(),
            lost: std::mem::take(&mut self.entries().lost),
            resurrected: Vec::new(),
            history: Ok(Summary::default()),
        };
        self.reckon_sessions(&mut report).await;
        self.reckon_keys(&mut report).await;
        for node in self.caller.nodes() {
            self.reckon_list(node, &mut report).await;
        }
        report.history = Judge::default().check(&self.caller.history());
        report
    }

    /// Holds the sessions against rows read from the database itself: the counter of the newest token, and whether
    /// the session is live. This finds what no request can: a service that lost its last rotations goes on from
    /// the token it is shown.
    pub fn missing_from(&self, rows: &BTreeMap<SessionId, (i64, bool)>) -> Vec<String> {
        let mut missing = Vec::new();
        for (session, entry) in self.sessions() {
            let acknowledged = entry.held.counter;
            match rows.get(&session) {
                None => missing.push(format!("session {session} has no row")),
                Some((current, _)) if *current < acknowledged => missing.push(format!(
                    "session {session} is at {current}, acknowledged was {acknowledged}"
                )),
                Some((_, live)) if *live == entry.ended => missing.push(format!(
                    "session {session}: live is {live}, acknowledged end is {}",
                    entry.ended
                )),
                Some(_) => {}
            }
        }
        missing
    }

    async fn reckon_sessions(self: &Arc<Self>, report: &mut Report) {
        let mut asking = JoinSet::new();
        let sessions: Vec<Entry> = self.sessions().into_values().collect();
        for part in sessions.chunks(sessions.len().div_ceil(AT_ONCE).max(1)) {
            let (ledger, part) = (Arc::clone(self), part.to_vec());
            asking.spawn(async move {
                let mut told = Vec::new();
                for entry in part {
                    let outcome = ledger.caller.refresh(&entry.held).await;
                    told.push((entry, outcome.map(|held| held.counter)));
                }
                told
            });
        }
        for (entry, outcome) in asking.join_all().await.into_iter().flatten() {
            self.reckon_session(&entry, outcome, report);
        }
    }

    fn reckon_session(&self, entry: &Entry, outcome: Result<i64, ApiError>, report: &mut Report) {
        let (session, key) = (entry.held.session, entry.key_id);
        let (asked, revoked) = {
            let entries = self.entries();
            (entries.revoking.contains(&key), entries.revoked.contains(&key))
        };
        match outcome {
            Ok(_) if entry.ended => report.resurrected.push(format!("session {session}, ended")),
            Ok(_) if revoked => report
                .resurrected
                .push(format!("session {session} of revoked key {key}")),
            Ok(counter) if counter == entry.held.counter + 1 => {}
            Ok(counter) => report.lost.push(format!(
                "session {session}: {} is followed by {counter}",
                entry.held.counter
            )),
            Err(error) if error.code() == Some(ErrorCode::SessionEnded) && entry.ended => {}
            Err(error) if error.code() == Some(ErrorCode::KeyRevoked) && asked => {}
            Err(error) => report.lost.push(format!("session {session}: {error}")),
        }
    }

    async fn reckon_keys(&self, report: &mut Report) {
        let bots = self.entries().bots.clone();
        for (key, bot) in bots {
            let outcome = self.caller.mint(&bot).await;
            let entries = self.entries();
            let (asked, revoked) = (entries.revoking.contains(&key), entries.revoked.contains(&key));
            match outcome {
                Ok(_) if revoked => report.resurrected.push(format!("key {key}, revoked")),
                Ok(_) => {}
                Err(error) if error.code() == Some(ErrorCode::KeyRevoked) && asked => {}
                Err(error) => report.lost.push(format!("key {key}: {error}")),
            }
        }
    }

    /// Whoever verifies tokens without asking must learn of every revocation too, from any node.
    async fn reckon_list(&self, node: &AuthApi, report: &mut Report) {
        let list = match node.revocations(LONGEST_LIST).await {
            Ok(list) => list,
            Err(error) => return report.lost.push(format!("revocation list: {error}")),
        };
        let jws = CompactJws::parse_up_to(&list, LONGEST_LIST).expect("a JWS");
        let list: RevocationList = serde_json::from_slice(&jws.payload).expect("a list");
        let place = node.base_url();
        for key in self
            .entries()
            .revoked
            .iter()
            .filter(|key| !list.keys.contains(key))
        {
            report.lost.push(format!("key {key} on the list of {place}"));
        }
        for (session, entry) in self.sessions() {
            if entry.ended && !list.sids.contains(&session) {
                report
                    .lost
                    .push(format!("session {session} on the list of {place}"));
            }
        }
    }
}

impl Report {
    /// Panics unless nothing was lost, resurrected or doubled.
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
                "0 double successors; the history of {} calls on {} sessions ({} without an answer) has an order",
                summary.operations, summary.sessions, summary.unknown
            ),
            Err(violation) => write!(f, "the history does not hold: {violation}"),
        }
    }
}
