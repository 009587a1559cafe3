//! A clock that cannot be right.

use jiff::SignedDuration;
use jiff::fmt::rfc2822::DateTimePrinter;

use super::certificates::now;
use super::{expect, migrated};

/// The date of an HTTP answer, so many hours from now.
pub(super) fn http_date(hours: i64) -> String {
    let at = now() + SignedDuration::from_hours(hours);
    let printed = DateTimePrinter::new().timestamp_to_rfc9110_string(&at);
    printed.expect("the year has four digits")
}

#[test]
fn r76_a_clock_that_does_not_fit_the_database_is_named() {
    let service = migrated();
    expect(&service, ("clock", "ok", &["compare it"]), &[]);
    service.account();
    expect(&service, ("clock", "ok", &["newest entry"]), &[]);
    for (hours, level, part) in [
        (1, "fail", "NTP"),
        (-1, "ok", "fits"),
        (-50, "warn", "long after"),
    ] {
        let at = (now() + SignedDuration::from_hours(hours)).as_millisecond();
        let connection = service.connection();
        for sql in ["DELETE FROM audit", "DELETE FROM changes", "DELETE FROM sessions"] {
            connection.execute(sql, []).expect("the rows can be deleted");
        }
        let sql = "INSERT INTO audit (at, action, actor) VALUES (?1, 'account.created', 'operator')";
        connection.execute(sql, [at]).expect("the row can be written");
        expect(&service, ("clock", level, &[part]), &[]);
    }
}
