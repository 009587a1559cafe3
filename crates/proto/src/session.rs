//! `GET|DELETE /sessions` and `DELETE /sessions/{sid}`: the sessions of an account's owner.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::SessionId;

/// One session of an account's owner, for example a browser.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Session {
    /// UUID that identifies the session.
    pub sid: SessionId,
    /// `browser`, `native` (a program that uses the platform) or `management` (a program that
    /// manages credentials).
    pub kind: String,
    /// How the owner authenticated: `passkey`, `email_code`, `magic_link`, `apple` or `operator`.
    pub method: String,
    /// Browser and operating system, without versions.
    pub device: String,
    /// Client address of the last use.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub ip: IpAddr,
    /// When the owner logged in.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub opened_at: Timestamp,
    /// When the session was last used, accurate to one minute.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub last_used_at: Timestamp,
    /// When the session expires if it is not used again.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub expires_at: Timestamp,
    /// Whether this request belongs to the session.
    pub current: bool,
}

/// Response of `GET /sessions`: the active sessions of an account's owner. Sessions of API keys are
/// not listed; revoke the key to end them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionList {
    /// Newest first.
    pub sessions: Vec<Session>,
}

/// Response to a `DELETE` of sessions.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionsEnded {
    /// Number of sessions that the request ended.
    pub ended: u64,
}
