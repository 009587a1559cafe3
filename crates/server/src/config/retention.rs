//! `[retention]`: when old rows are deleted, so that no table grows for ever.

use serde::Deserialize;

use super::error::{ConfigError, within};

/// The section `[retention]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Retention {
    /// Days for which ended and expired sessions are kept. Meanwhile a late refresh learns why it
    /// failed, and the reuse of an old refresh token is detected. Also for refusals of API keys.
    pub ended_sessions_days: u32,
    /// Days for which entries of the audit trail are kept.
    pub audit_days: u32,
    /// Maximum number of rows that one sweep deletes per table. A sweep is one transaction.
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
