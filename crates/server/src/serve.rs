//! Opens the sockets, serves until the process is told to stop, and shuts down.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use metrics_exporter_prometheus::PrometheusHandle;
use tm_auth_listener::{Answers, Listeners, Malformed, Settings, tls};
use tm_auth_proto::{ErrorBody, ErrorCode};
use tm_auth_store::error::Chain;

use crate::app::App;
use crate::app::background;
use crate::config::Config;
use crate::mail::Sender;
use crate::{metrics, open_files, random, router};

/// Why the service does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A socket could not be opened. The message names its address.
    #[error(transparent)]
    Listen(#[from] tm_auth_listener::BindError),
    /// The certificate or its key could not be loaded.
    #[error(transparent)]
    Tls(#[from] tls::TlsError),
    /// TLS to the mail server could not be set up.
    #[error("cannot set up TLS to the mail server: {0}")]
    Mail(#[from] lettre::transport::smtp::Error),
}

/// A service whose sockets are open but not served yet.
pub struct Bound {
    app: Arc<App>,
    listeners: Listeners,
    metrics: Option<(tokio::net::TcpListener, PrometheusHandle)>,
    mail: Option<Sender>,
}

/// Opens the sockets.
pub async fn bind(app: Arc<App>) -> Result<Bound, ServeError> {
    if app.config.tokens.expire_before_clients_renew() {
        tracing::warn!(
            setting = "tokens.access_ttl_seconds",
            "access tokens expire before some clients renew them"
        );
    }
    let network = &app.config.network;
    let tls = network.tls.as_ref();
    let tls = tls
        .map(|files| tls::load(&files.cert_file, &files.key_file))
        .transpose()?;
    let listeners = Listeners::bind(&network.listen, tls, listener_settings(&app.config), answers()).await?;
    // Without a metrics listener there is no recorder: its memory would only grow.
    let metrics = match app.config.metrics.listen {
        Some(address) => {
            let listener = tm_auth_listener::bind(address).await?;
            metrics::install().map(|handle| (listener, handle))
        }
        None => None,
    };
    let mail = Sender::start(&app.mail, &app.config)?;
    Ok(Bound {
        app,
        listeners,
        metrics,
        mail,
    })
}

impl Bound {
    /// The addresses on which the service listens, with the ports that the system chose.
    pub fn addresses(&self) -> std::io::Result<Vec<SocketAddr>> {
        self.listeners.addresses()
    }

    /// Serves until `stop`. Then reports not ready and serves for `limits.drain_seconds` more,
    /// finishes requests in flight, and writes what has gathered in memory.
    pub async fn serve(self, stop: impl Future<Output = ()>) {
        let mut tasks = background::start(&self.app);
        if let Some((listener, handle)) = self.metrics {
            tasks.spawn(metrics::upkeep(handle.clone()));
            tasks.spawn(serve_metrics(listener, handle));
        }
        let drained = async {
            stop.await;
            self.app.readiness.end();
            tokio::time::sleep(self.app.config.limits.drain).await;
        };
        self.listeners
            .serve(router::router(Arc::clone(&self.app)), drained)
            .await;
        drop(tasks);
        if let Some(mail) = self.mail {
            mail.stop().await;
        }
        if let Err(error) = self.app.usage.flush(&self.app.store).await {
            tracing::warn!(error = %Chain(&error), "the last uses of keys were not written");
        }
        if let Err(error) = self.app.refusals.flush(&self.app.store).await {
            tracing::warn!(error = %Chain(&error), "the last refusals of keys were not written");
        }
        if let Err(error) = self.app.reached_limits.flush(&self.app.store, None).await {
            tracing::warn!(error = %Chain(&error), "the last limits that were reached were not written");
        }
    }
}

async fn serve_metrics(listener: tokio::net::TcpListener, handle: PrometheusHandle) {
    let page = axum::Router::new().route(
        "/metrics",
        axum::routing::get(move || std::future::ready(handle.render())),
    );
    if let Err(error) = axum::serve(listener, page).await {
        tracing::error!(%error, "the metrics page stopped");
    }
}

/// The listener's part of the limits. Raises the process's limit of open files.
pub fn listener_settings(config: &Config) -> Settings {
    let places = open_files::places(config, open_files::raise_limit());
    if let Some(needed) = places.needed {
        tracing::warn!(
            connections = places.capacity.total,
            needed,
            "the limit of open files is too low for limits.max_connections"
        );
    }
    let limits = &config.limits;
    Settings {
        capacity: places.capacity,
        header_bytes: limits.header_bytes,
        first_byte: limits.first_byte,
        tls_handshake: limits.tls_handshake,
        header_read: limits.header_read,
        keep_alive: limits.keep_alive,
        write_stall: limits.write_stall,
        shutdown: limits.shutdown,
    }
}

/// The responses that the listener sends without the router.
pub fn answers() -> Answers {
    Answers {
        malformed: Arc::new(malformed),
        overload: overload("The service has reached its connection limit. Try again in a moment."),
        network_overload: overload(
            "Your network has reached its connection limit. Close some connections, or try again in a moment.",
        ),
    }
}

/// The response to a malformed request.
fn malformed(problem: Malformed) -> Response {
    let request_id = uuid::Builder::from_random_bytes(random::bytes())
        .into_uuid()
        .to_string();
    let body = error_body(ErrorCode::InvalidRequest, problem.to_string(), request_id.clone());
    (
        http::StatusCode::BAD_REQUEST,
        [("x-request-id", request_id)],
        axum::Json(body),
    )
        .into_response()
}

/// The answer to a connection beyond the limit, written before any request is read.
fn overload(message: &str) -> Vec<u8> {
    let request_id = "overload";
    let body = error_body(ErrorCode::Unavailable, message.to_owned(), request_id.to_owned());
    let body = serde_json::to_string(&body).expect("an error body is plain JSON");
    format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\ncache-control: no-store\r\n\
         retry-after: 1\r\nx-request-id: {request_id}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

fn error_body(code: ErrorCode, message: String, request_id: String) -> ErrorBody {
    ErrorBody {
        type_: code.type_(),
        code,
        message,
        field_violations: Vec::new(),
        request_id,
        retryable: code.retryable(),
        recover: None,
        server_time: None,
        skew_ms: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn j12_a_connection_beyond_the_limit_reads_a_whole_503() {
        for answer in [answers().overload, answers().network_overload] {
            is_whole(answer);
        }
    }

    fn is_whole(answer: Vec<u8>) {
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert!(
            head.starts_with("HTTP/1.1 503 ") && head.contains("retry-after: 1"),
            "{head}"
        );
        assert!(
            head.ends_with(&format!("content-length: {}", body.len())),
            "{head}"
        );
        let body: ErrorBody = serde_json::from_str(body).unwrap();
        assert_eq!(body.code, ErrorCode::Unavailable);
    }
}
