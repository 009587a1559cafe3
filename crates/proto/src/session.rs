//! `GET|DELETE /sessions` and `DELETE /sessions/{sid}`: where an account's owner is signed in.

use std::net::IpAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::SessionId;

/// One place in which the owner of an account is signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Session {
    /// Its id.
    pub sid: SessionId,
    /// `browser`, `native` (a program that uses the platform) or `management` (one that manages credentials).
    pub kind: String,
    /// How its holder proved who they are: `passkey`, `email_code`, `magic_link`, `apple` or `operator`.
    pub method: String,
    /// Browser and system, coarsely.
    pub device: String,
    /// From where it was last used.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub ip: IpAddr,
    /// When it was opened.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub opened_at: Timestamp,
    /// When it was last used, to the minute.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub last_used_at: Timestamp,
    /// When it ends if it is not used again.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub expires_at: Timestamp,
    /// Whether it is the one that asks.
    pub current: bool,
}

/// The live sessions of an account's owner. Those that a key opened are not among them: a key is cut off by
/// revoking it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionList {
    /// Newest first.
    pub sessions: Vec<Session>,
}

/// What a `DELETE` of sessions did.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SessionsEnded {
    /// How many are over now that were not before.
    pub ended: u64,
}
