//! `[log]`: how the log looks and how much of it there is.

use serde::Deserialize;
use tm_auth_proto::Environment;

use super::error::ConfigError;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Log {
    /// One JSON object a line, or text for people.
    pub format: LogFormat,
    /// The least severe level that is written.
    pub level: LogLevel,
}

/// See [`Log::format`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For collectors.
    #[default]
    Json,
    /// For people.
    Text,
}

/// See [`Log::level`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Defects and failures.
    Error,
    /// Also what an operator should look at.
    Warn,
    /// And what happened.
    #[default]
    Info,
    /// And how. UAT only.
    Debug,
    /// And the libraries' inner life. UAT only.
    Trace,
}

impl LogLevel {
    /// The word of the configuration.
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
            // This service logs no secret at any level, but libraries may log anything below info.
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
