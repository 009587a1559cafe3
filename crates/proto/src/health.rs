//! `GET /health`, `/health/live` and `/health/ready`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Environment;

/// Response of the health endpoints.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Health {
    /// `ok` with HTTP status 200, or `unavailable` with 503.
    pub status: HealthStatus,
    /// Environment that the service runs in.
    pub environment: Environment,
    /// Time on the server's clock; clients can compare it with their own.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub server_time: Timestamp,
    /// Version of the server program.
    pub version: String,
}

/// Whether the service is able to serve requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// The service is ready.
    Ok,
    /// The service is temporarily unable to serve requests.
    Unavailable,
}
