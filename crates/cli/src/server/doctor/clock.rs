//! Whether this machine's clock is right.
//!
//! It is compared with the first of these that there is:
//!
//! 1. The clock of the PostgreSQL server.
//! 2. The date of Apple's answer.
//! 3. The newest time in the database. The clock cannot be behind it. If it is far ahead, either the
//!    clock is wrong or the database is old.

use jiff::SignedDuration;
use tm_auth_server::clock::{Clock, SystemClock};
use tm_auth_store::postgres::MAX_APART;

use super::database::Database;
use super::report::{Verdict, fail, ok, warn};

/// The date of an answer has whole seconds, and the answer may take a few.
const TOLERANCE: SignedDuration = SignedDuration::from_secs(10);
/// A database in use is written more often.
const QUIET: SignedDuration = SignedDuration::from_hours(24);

pub(super) fn check(database: &Database, ahead_of_apple: Option<SignedDuration>) -> Verdict {
    let now = SystemClock.now();
    if let Some(server) = &database.server {
        return judge(server.clock_ahead, MAX_APART, "the PostgreSQL server's");
    }
    if let Some(ahead) = ahead_of_apple {
        return judge(ahead, TOLERANCE, "Apple's");
    }
    let Some(newest) = database.contents().and_then(|contents| contents.newest) else {
        return ok(format!("{now} (UTC); compare it with a clock that you trust"));
    };
    let age = now.duration_since(newest);
    if age < -MAX_APART {
        fail(format!(
            "{now} is before {newest}, the newest entry of the database: set this machine's clock, and keep it right with NTP"
        ))
    } else if age > QUIET {
        warn(format!(
            "{now} is long after {newest}, the newest entry of the database: if the service ran since, set this machine's clock"
        ))
    } else {
        ok(format!("{now} (UTC) fits the newest entry of the database"))
    }
}

fn judge(ahead: SignedDuration, tolerance: SignedDuration, whose: &str) -> Verdict {
    if ahead.abs() <= tolerance {
        return ok(format!("agrees with {whose}"));
    }
    let side = if ahead.is_positive() { "ahead of" } else { "behind" };
    fail(format!(
        "{} s {side} {whose}: set this machine's clock, and keep it right with NTP",
        ahead.abs().as_secs()
    ))
}
