//! A panic in a handler fails only its own request.

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use tm_auth_listener::Listeners;
use tm_auth_server::clock::Clock;
use tm_auth_server::{App, router, serve};
use tokio::sync::oneshot;

use crate::captured_log::CapturedLog;
use crate::support::{Answer, TestServer};

/// A secret in the message of a panic, which may quote the input.
const SECRET: &str = "eyJhbGciOi-SECRET";

async fn panics_at_once() -> &'static str {
    panic!("cannot read {SECRET}\n{{\"level\":\"INFO\"}}\u{1b}[31m")
}

async fn panics_later() -> &'static str {
    tokio::task::yield_now().await;
    std::panic::panic_any(7_u8)
}

/// Logs a warning without the request's id, like the store or the mail queue.
async fn warns() -> &'static str {
    tracing::warn!("something is amiss");
    "ok"
}

async fn overflows(body: String) -> String {
    let byte: u8 = body.parse().unwrap();
    (byte + 1).to_string()
}

/// Starts a second service on the store of `server`, with defective routes behind all layers.
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
    let settings = serve::listener_settings(&server.config);
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
async fn i16_i11_a_panic_is_a_500_without_details_and_the_service_keeps_running() {
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
        // Later requests succeed.
        assert_eq!(get("/v1/auth/health").await.status, 200);
    }
    // Line breaks and escape sequences of a panic's message stay within one log line.
    for line in log.text().lines() {
        let parsed: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(
            parsed["timestamp"].is_string() && !line.contains('\u{1b}'),
            "{line}"
        );
    }
    server.mint(&server.key().await).await;
}

/// `overflow-checks` is on in the release profile: a wrapped sum could grant access.
#[tokio::test]
async fn i16_an_overflow_panics_in_release_builds_too() {
    let server = TestServer::start().await;
    let (origin, _stop) = defective(&server).await;
    for (number, status) in [("254", 200), ("255", 500)] {
        let request = server.http.post(format!("{origin}/overflow"));
        // Outside the API, POST requires the `Origin` of the service's pages.
        let request = request.header("origin", &server.origin).body(number);
        assert_eq!(request.send().await.unwrap().status().as_u16(), status);
    }
}

#[tokio::test]
async fn i11_log_lines_of_a_request_carry_its_id() {
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
        panic!("expected one warning and one line of the request: {lines:?}");
    };
    assert_eq!(
        (&warning["message"], &warning["span"]["request_id"]),
        (&"something is amiss".into(), &id.into())
    );
    assert_eq!(request["request_id"], id);
}
