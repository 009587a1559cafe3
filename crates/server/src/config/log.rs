//! `[log]`: format and level of the log.

use serde::Deserialize;
use tm_auth_proto::Environment;

use super::error::ConfigError;

/// The section `[log]`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// One JSON object per line, or text.
    pub format: LogFormat,
    /// The least severe level that is logged.
    pub level: LogLevel,
}

/// The format of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One JSON object per line, for log collectors.
    #[default]
    Json,
    /// Text for people.
    Text,
}

/// The level of a log line. Each level includes those above it in this list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Bugs and failures.
    Error,
    /// Conditions that an operator should look at.
    Warn,
    /// Events and requests.
    #[default]
    Info,
    /// Details of events. UAT only.
    Debug,
    /// Internals of the libraries. UAT only.
    Trace,
}

impl LogLevel {
    /// The name of the level in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

impl Log {
    pub(super) fn check(&self, environment: Environment) -> Result<(), ConfigError> {
        match (environment, self.level) {
            // This service logs no secret at any level. Libraries may log secrets below info.
            (Environment::Production, LogLevel::Debug | LogLevel::Trace) => Err(ConfigError::at(
                "log.level",
                format_args!(
                    "`{}` is refused in production; write info, warn or error",
                    self.level.as_str()
                ),
            )),
            _ => Ok(()),
        }
    }
}
