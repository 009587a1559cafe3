//! What the checks found, one line or one JSON object each.

use std::time::Duration;

use serde::Serialize;

use super::super::{Failure, Outcome};
use crate::output;

/// How long a check may take.
const DEADLINE: Duration = Duration::from_secs(5);

/// How serious a finding is. Only `fail` changes the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Ok,
    Warn,
    Fail,
}

impl Level {
    fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// What a check found. The message of a warning or failure says what to do.
pub(super) struct Verdict {
    level: Level,
    message: String,
}

pub(super) fn ok(message: impl Into<String>) -> Verdict {
    verdict(Level::Ok, message)
}

pub(super) fn warn(message: impl Into<String>) -> Verdict {
    verdict(Level::Warn, message)
}

pub(super) fn fail(message: impl Into<String>) -> Verdict {
    verdict(Level::Fail, message)
}

fn verdict(level: Level, message: impl Into<String>) -> Verdict {
    let message = message.into();
    Verdict { level, message }
}

#[derive(Serialize)]
struct Finding {
    id: &'static str,
    level: Level,
    message: String,
}

/// Collects the findings. Prints each at once, or all of them as JSON at the end.
pub(super) struct Report {
    is_json: bool,
    findings: Vec<Finding>,
}

impl Report {
    pub(super) fn new(is_json: bool) -> Self {
        Self {
            is_json,
            findings: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, id: &'static str, verdict: Verdict) -> Outcome {
        let Verdict { level, message } = verdict;
        if !self.is_json {
            output::print(format_args!("{:<4}  {id}: {message}", level.as_str()))?;
        }
        self.findings.push(Finding { id, level, message });
        Ok(())
    }

    /// Fails if a check failed.
    pub(super) fn finish(self) -> Outcome {
        if self.is_json {
            output::print(serde_json::to_string(&self.findings)?)?;
        }
        let failed = self
            .findings
            .iter()
            .filter(|finding| finding.level == Level::Fail);
        let failed: Vec<_> = failed.map(|finding| finding.id).collect();
        if failed.is_empty() {
            return Ok(());
        }
        Err(Failure(format!(
            "{} of {} checks failed: {}",
            failed.len(),
            self.findings.len(),
            failed.join(", ")
        )))
    }
}

/// Waits for something outside this process, but not for long.
pub(super) async fn in_time<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let late = |_| Err(format!("no answer within {} s", DEADLINE.as_secs()));
    tokio::time::timeout(DEADLINE, work).await.unwrap_or_else(late)
}
