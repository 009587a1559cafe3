//! `GET /health`, `/health/live` and `/health/ready`.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::Environment;

/// Whether the service can do its work, and what time it believes it is.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Health {
    /// `ok`, or `unavailable` with a status of 503.
    pub status: HealthStatus,
    /// The environment this service is.
    pub environment: Environment,
    /// The server's clock, to compare with one's own.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub server_time: Timestamp,
    /// The program's version.
    pub version: String,
}

/// See [`Health::status`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum HealthStatus {
    /// It can.
    Ok,
    /// It cannot, for now.
    Unavailable,
}
