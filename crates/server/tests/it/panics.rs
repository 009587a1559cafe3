//! A defect in a handler costs one request.

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use tm_auth_listener::Listeners;
use tm_auth_server::clock::Clock;
use tm_auth_server::{App, router, serve};
use tokio::sync::oneshot;

use crate::captured_log::CapturedLog;
use crate::support::{Answer, TestServer};

/// The text of a panic may quote what it stumbled over.
const SECRET: &str = "eyJhbGciOi-SECRET";

async fn panics_at_once() -> &'static str {
    panic!("cannot read {SECRET}\n{{\"level\":\"INFO\"}}\u{1b}[31m")
}

async fn panics_later() -> &'static str {
    tokio::task::yield_now().await;
    std::panic::panic_any(7_u8)
}

/// As the store or the mail queue warn: they know nothing of the request.
async fn warns() -> &'static str {
    tracing::warn!("something is amiss");
    "ok"
}

async fn overflows(body: String) -> String {
    let byte: u8 = body.parse().unwrap();
    (byte + 1).to_string()
}

/// The service with defects: its own listener, layers and database, at a port of its own.
async fn defective(server: &TestServer) -> (String, oneshot::Sender<()>) {
    let clock: Arc<dyn Clock> = server.clock.clone();
    let app = App::start(server.config.clone(), Arc::clone(&server.store), clock)
        .await
        .unwrap();
    let defects = Router::new()
        .route("/at-once", get(panics_at_once))
        .route("/later", get(panics_later))
        .route("/warning", get(warns))
        .route("/overflow", post(overflows));
    let address = ["127.0.0.1:0".parse().unwrap()];
    let settings = serve::listener_settings(&server.config.limits);
    let listeners = Listeners::bind(&address, None, settings, serve::answers())
        .await
        .unwrap();
    let origin = format!("http://{}", listeners.addresses().unwrap()[0]);
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(listeners.serve(router::with_routes(app, defects), async {
        let _ = stopped.await;
    }));
    (origin, stop)
}

#[tokio::test]
async fn i16_i11_a_panic_is_a_500_that_tells_nothing_and_the_service_goes_on() {
    let log = CapturedLog::start();
    let server = TestServer::start().await;
    let (origin, _stop) = defective(&server).await;
    let get =
        async |path: &str| Answer::of(server.http.get(format!("{origin}{path}")).send().await.unwrap()).await;
    for path in ["/at-once", "/later", "/at-once"] {
        let answer = get(path).await;
        answer.assert_error(500, "internal");
        assert!(
            !answer.text.contains("SECRET") && !answer.text.contains("panic"),
            "{answer:?}"
        );
        let line = log.line_of(answer.header("x-request-id"));
        assert_eq!((&line["level"], &line["route"]), (&"ERROR".into(), &path.into()));
        assert!(line["error"].as_str().unwrap().starts_with("panic"), "{line}");
        // What went wrong before it does no harm after it.
        assert_eq!(get("/v1/auth/health").await.status, 200);
    }
    // Line breaks and escapes of a panic's text stay within their one line.
    for line in log.text().lines() {
        let parsed: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(
            parsed["timestamp"].is_string() && !line.contains('\u{1b}'),
            "{line}"
        );
    }
    server.mint(&server.key().await).await;
}

/// `overflow-checks` is on in the release profile: a sum that wraps would be a wrong decision.
#[tokio::test]
async fn i16_an_overflow_is_a_panic_in_the_released_program_too() {
    let server = TestServer::start().await;
    let (origin, _stop) = defective(&server).await;
    for (number, status) in [("254", 200), ("255", 500)] {
        let request = server.http.post(format!("{origin}/overflow"));
        // Outside of the API only our own pages post.
        let request = request.header("origin", &server.origin).body(number);
        assert_eq!(request.send().await.unwrap().status().as_u16(), status);
    }
}

#[tokio::test]
async fn i11_what_is_logged_on_behalf_of_a_request_carries_its_id() {
    let log = CapturedLog::start();
    let server = TestServer::start().await;
    let (origin, _stop) = defective(&server).await;
    let get = server.http.get(format!("{origin}/warning")).send();
    let answer = Answer::of(get.await.unwrap()).await;
    let id = answer.header("x-request-id");
    let lines: Vec<serde_json::Value> = log
        .text()
        .lines()
        .filter(|line| line.contains(id))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let [warning, request] = &lines[..] else {
        panic!("one warning and one line of the request: {lines:?}");
    };
    assert_eq!(
        (&warning["message"], &warning["span"]["request_id"]),
        (&"something is amiss".into(), &id.into())
    );
    assert_eq!(request["request_id"], id);
}
