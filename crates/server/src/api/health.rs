//! `GET /health`, `/health/live`, `/health/ready`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use tm_auth_proto::Health;
use tm_auth_proto::health::HealthStatus;

use crate::app::App;
use crate::http::context::Context;

/// Whether the service can do its work.
#[utoipa::path(get, path = "/health", tag = "Health", operation_id = "getHealth",
    responses((status = 200, body = Health), (status = 503, body = Health, description = "The service cannot do its work now."), (status = 500, body = tm_auth_proto::ErrorBody, description = "A defect of the service.")))]
pub(crate) async fn health(State(app): State<Arc<App>>, context: Context) -> Response {
    ready(State(app), context).await
}

/// Whether the process serves. It succeeds during a database outage, because the JWKS and the
/// revocation list are still served, and while the service drains.
#[utoipa::path(get, path = "/health/live", tag = "Health", operation_id = "getLiveness", 
    responses((status = 200, body = Health), (status = 500, body = tm_auth_proto::ErrorBody, description = "A defect of the service."), (status = 503, body = tm_auth_proto::ErrorBody, description = "The service did not answer in time.")))]
pub(crate) async fn live(State(app): State<Arc<App>>, context: Context) -> Response {
    answer(&app, &context, HealthStatus::Ok)
}

/// Whether the service can do its work: the database accepts writes and the service is not about to
/// stop. A load balancer must poll this path, or a node that drains still gets requests.
#[utoipa::path(get, path = "/health/ready", tag = "Health", operation_id = "getReadiness",
    responses((status = 200, body = Health), (status = 503, body = Health, description = "The service cannot do its work now."), (status = 500, body = tm_auth_proto::ErrorBody, description = "A defect of the service.")))]
pub(crate) async fn ready(State(app): State<Arc<App>>, context: Context) -> Response {
    let can_work = app.readiness.check(app.store.ping()).await && app.may_issue_tokens().is_ok();
    let status = if can_work {
        HealthStatus::Ok
    } else {
        HealthStatus::Unavailable
    };
    answer(&app, &context, status)
}

fn answer(app: &App, context: &Context, status: HealthStatus) -> Response {
    let code = match status {
        HealthStatus::Ok => StatusCode::OK,
        HealthStatus::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    };
    let body = Health {
        status,
        environment: app.issuer.environment,
        server_time: context.now,
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    (code, Json(body)).into_response()
}
