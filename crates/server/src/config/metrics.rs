//! `[metrics]`: a page for Prometheus on a listener of its own, never on the public one.

use std::net::SocketAddr;

use serde::Deserialize;

use super::error::ConfigError;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Metrics {
    /// Where `/metrics` is served; none: nowhere.
    pub listen: Option<SocketAddr>,
    /// Says that `listen` may be an address that others can reach. The page has no login.
    pub allow_remote: bool,
}

impl Metrics {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        match self.listen {
            Some(address) if !address.ip().to_canonical().is_loopback() && !self.allow_remote => {
                Err(ConfigError::at(
                    "metrics.listen",
                    format_args!(
                        "{address} can be reached by others; listen on 127.0.0.1, or set `metrics.allow_remote` = true"
                    ),
                ))
            }
            _ => Ok(()),
        }
    }
}
