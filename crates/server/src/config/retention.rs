//! `[retention]`: when finished things are deleted, so that no table grows for ever.

use serde::Deserialize;

use super::error::{ConfigError, within};

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// Days that ended and expired sessions are kept. A day at least: a session's row also guards
    /// its challenge against replay, and an old refresh token is known as reused only while the row
    /// is there.
    pub ended_sessions_days: u32,
    /// Days that the audit trail is kept.
    pub audit_days: u32,
    /// Rows that one sweep deletes at most of each table. A sweep is one transaction.
    pub sweep_batch: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self {
            ended_sessions_days: 30,
            audit_days: 400,
            sweep_batch: 1000,
        }
    }
}

impl Retention {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        within("retention.ended_sessions_days", self.ended_sessions_days, 1, 3650)?;
        within("retention.audit_days", self.audit_days, 1, 3650)?;
        within("retention.sweep_batch", self.sweep_batch, 1, 10_000)
    }
}
