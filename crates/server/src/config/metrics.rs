//! `[metrics]`: the page `/metrics` for Prometheus, on its own listener.

use std::net::SocketAddr;

use serde::Deserialize;

use super::error::ConfigError;

/// The section `[metrics]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Metrics {
    /// Where `/metrics` is served. `None`: there are no metrics.
    pub listen: Option<SocketAddr>,
    /// Allows a `listen` that other machines can reach. The page has no login.
    pub allow_remote: bool,
}

impl Metrics {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        match self.listen {
            Some(address) if !address.ip().to_canonical().is_loopback() && !self.allow_remote => {
                Err(ConfigError::at(
                    "metrics.listen",
                    format_args!(
                        "{address} can be reached from other machines; listen on 127.0.0.1, or set `metrics.allow_remote` = true"
                    ),
                ))
            }
            _ => Ok(()),
        }
    }
}
