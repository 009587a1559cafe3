//! Puts the service on its sockets and takes it off again.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::response::{IntoResponse, Response};
use metrics_exporter_prometheus::PrometheusHandle;
use tm_auth_proto::ErrorBody;
use tm_auth_proto::ErrorCode;

use crate::App;
use crate::listener::{Listeners, Malformed, Settings, tls};
use crate::mail::Workers;
use crate::app::background;
use crate::{metrics, random, router};

/// Why the service does not start.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// A socket.
    #[error("cannot listen: {0}")]
    Listen(#[from] std::io::Error),
    /// A certificate.
    #[error(transparent)]
    Tls(#[from] tls::TlsError),
    /// TLS to the mail server.
    #[error("cannot set up TLS to the mail server: {0}")]
    Mail(#[from] lettre::transport::smtp::Error),
}

/// A service whose sockets are open but not served yet.
pub struct Bound {
    app: Arc<App>,
    listeners: Listeners,
    metrics: Option<(tokio::net::TcpListener, PrometheusHandle)>,
    mail: Option<Workers>,
}

/// Opens the sockets.
pub async fn bind(app: Arc<App>) -> Result<Bound, ServeError> {
    let (network, limits) = (&app.config.network, &app.config.limits);
    let tls = network.tls.as_ref().map(tls::load).transpose()?;
    let listeners =
        Listeners::bind(&network.listen, tls, Settings::from(limits), Arc::new(malformed)).await?;
    // A recorder that nobody reads would only gather.
    let metrics = match app.config.metrics.listen {
        Some(address) => {
            let listener = tokio::net::TcpListener::bind(address).await?;
            metrics::install().map(|handle| (listener, handle))
        }
        None => None,
    };
    let mail = app.mail.start(&app.config)?;
    Ok(Bound {
        app,
        listeners,
        metrics,
        mail,
    })
}

impl Bound {
    /// Where it listens, ports that the system chose included.
    pub fn addresses(&self) -> std::io::Result<Vec<SocketAddr>> {
        self.listeners.addresses()
    }

    /// Serves until `stop`, and on while a load balancer learns of it; then lets what is in flight finish and writes
    /// what gathered in memory.
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
        if let Err(error) = self.app.usage.flush(&self.app).await {
            tracing::warn!(%error, "the last uses of keys were not written");
        }
        if let Err(error) = self.app.refusals.flush(&self.app).await {
            tracing::warn!(%error, "the last refusals of keys were not written");
        }
        if let Err(error) = self.app.reached_limits.flush(&self.app, None).await {
            tracing::warn!(%error, "the last limits that were reached were not written");
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

/// The answer to a request that never became one.
fn malformed(problem: Malformed) -> Response {
    let request_id = uuid::Builder::from_random_bytes(random::bytes())
        .into_uuid()
        .to_string();
    let body = ErrorBody {
        type_: ErrorCode::InvalidRequest.type_(),
        code: ErrorCode::InvalidRequest,
        message: problem.to_string(),
        field_violations: Vec::new(),
        request_id: request_id.clone(),
        retryable: false,
        recover: None,
        server_time: None,
        skew_ms: None,
    };
    (
        http::StatusCode::BAD_REQUEST,
        [("x-request-id", request_id)],
        axum::Json(body),
    )
        .into_response()
}
