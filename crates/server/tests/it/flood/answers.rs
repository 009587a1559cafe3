//! Floods of answers that cost the caller nothing: refusals, health checks and malformed mints.

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use serde_json::json;

use super::Levels;
use super::parties::{in_one_network, start_with};
use crate::support::at_once;

/// Answers to one network that leave at once.
const OF_NETWORK: usize = 600;
/// The same for a /48.
const OF_SITE: usize = 4 * OF_NETWORK;
/// Requests at the same time.
const AT_ONCE: usize = 50;

/// The answers that were paused so far.
fn paused(metrics: &PrometheusHandle) -> String {
    let text = metrics.render();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("tm_auth_paused_answers_total "));
    line.unwrap_or("0").to_owned()
}

/// The recorder belongs to the thread, on which the server runs too.
pub(super) async fn prompt_answers() -> Levels {
    let recorder = PrometheusBuilder::new().build_recorder();
    let metrics = recorder.handle();
    let _recording = metrics::set_default_local_recorder(&recorder);
    let server = start_with(|_| {}).await;
    let malformed = json!({ "key_id": "none" });
    let ask = async |from: String, number: usize| {
        if number.is_multiple_of(2) {
            let alive = server.get_from(&from, "/health/live").await;
            assert_eq!(alive.status, 200, "{alive:?}");
        } else {
            let refused = server.post_from(&from, "/api-key/token", &malformed).await;
            assert_eq!(refused.status, 400, "{refused:?}");
        }
    };
    let flood = async |from: fn(usize) -> String, limit: usize| {
        let before = paused(&metrics);
        for begin in (0..limit).step_by(AT_ONCE) {
            at_once((begin..begin + AT_ONCE).map(|number| ask(from(number), number))).await;
        }
        assert_eq!(paused(&metrics), before);
        // Later answers are the same.
        at_once((0..2).map(|number| ask(from(limit), number))).await;
    };
    flood(in_one_network, OF_NETWORK).await;
    assert_eq!(paused(&metrics), "2");
    ask("2001:db8:1:2::1".to_owned(), 0).await;
    flood(|_| "192.0.2.1".to_owned(), OF_NETWORK).await;
    assert_eq!(paused(&metrics), "4");
    ask("192.0.2.2".to_owned(), 0).await;
    flood(|number| format!("2001:db8:2:{number:x}::1"), OF_SITE).await;
    assert_eq!(paused(&metrics), "6");
    ask("2001:db8:3::1".to_owned(), 1).await;
    assert_eq!(paused(&metrics), "6");
    &["network", "site"]
}
