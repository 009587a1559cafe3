//! Counters and histograms for operators. Labels are routes and codes, never keys, accounts or
//! addresses.

use std::time::Duration;

use http::{Method, StatusCode};
use jiff::SignedDuration;
use metrics::{counter, gauge, histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tm_auth_proto::ErrorCode;
use tm_auth_store::{RotationKind, Swept};

/// Interval at which the samples of histograms are summed up. Until then each sample is in memory.
const UPKEEP: Duration = Duration::from_secs(5);

/// Installs the recorder of this process, which needs [`upkeep`]. Returns `None` if there is one
/// already.
pub fn install() -> Option<PrometheusHandle> {
    PrometheusBuilder::new().install_recorder().ok()
}

/// Keeps the recorder's memory bounded even if the metrics page is never requested.
pub(crate) async fn upkeep(handle: PrometheusHandle) {
    let mut ticks = tokio::time::interval(UPKEEP);
    loop {
        ticks.tick().await;
        handle.run_upkeep();
    }
}

pub(crate) fn request(
    method: &Method,
    route: &str,
    status: StatusCode,
    code: Option<ErrorCode>,
    elapsed: Duration,
) {
    let method = match *method {
        Method::GET => "GET",
        Method::POST => "POST",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::HEAD => "HEAD",
        _ => "other",
    };
    let labels = [
        ("method", method.to_owned()),
        ("route", route.to_owned()),
        ("status", status.as_str().to_owned()),
        ("code", code.map_or("ok", ErrorCode::as_str).to_owned()),
    ];
    counter!("tm_auth_requests_total", &labels).increment(1);
    histogram!("tm_auth_request_seconds", "route" => route.to_owned()).record(elapsed);
}

pub(crate) fn paused_answer() {
    counter!("tm_auth_paused_answers_total").increment(1);
}

pub(crate) fn rotation(kind: RotationKind) {
    let kind = match kind {
        RotationKind::Rotated => "rotated",
        RotationKind::FastForwarded => "fast_forwarded",
        RotationKind::Repeated => "repeated",
        RotationKind::Reissued => "reissued",
    };
    counter!("tm_auth_refreshes_total", "kind" => kind).increment(1);
}

pub(crate) fn swept(swept: Swept) {
    counter!("tm_auth_swept_rows_total").increment(swept.deleted);
}

pub(crate) fn background_failure(task: &'static str) {
    counter!("tm_auth_background_failures_total", "task" => task).increment(1);
}

pub(crate) fn mail_sent() {
    counter!("tm_auth_mail_sent_total").increment(1);
}

pub(crate) fn mail_attempt_failed(reason: &'static str) {
    counter!("tm_auth_mail_failed_attempts_total", "reason" => reason).increment(1);
}

pub(crate) fn mail_dropped(reason: &'static str) {
    counter!("tm_auth_mail_dropped_total", "reason" => reason).increment(1);
}

/// Mail of a kind that waits in the database, and the age of the oldest.
pub(crate) fn mail_waiting(kind: &'static str, mails: u32, age: SignedDuration) {
    gauge!("tm_auth_mail_waiting", "kind" => kind).set(mails);
    gauge!("tm_auth_mail_oldest_seconds", "kind" => kind).set(age.as_secs_f64());
}
