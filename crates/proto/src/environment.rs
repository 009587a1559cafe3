//! Production and UAT: two deployments that refuse each other's tokens, keys and sessions.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Which of the two deployments something belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// Real money.
    Production,
    /// The sandbox where integrators work.
    Uat,
}

impl Environment {
    /// The word in configuration, claims and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Uat => "uat",
        }
    }

    /// The public base URL of the platform's own deployment, named in `wrong_environment` answers.
    pub fn public_base_url(self) -> &'static str {
        match self {
            Self::Production => "https://api.truemarkets.co/v1/auth",
            Self::Uat => "https://api.uat.truemarkets.co/v1/auth",
        }
    }

    pub(crate) fn nibble(self) -> u8 {
        match self {
            Self::Production => 0xa,
            Self::Uat => 0xb,
        }
    }

    pub(crate) fn from_nibble(nibble: u8) -> Option<Self> {
        match nibble {
            0xa => Some(Self::Production),
            0xb => Some(Self::Uat),
            _ => None,
        }
    }
}

impl fmt::Display for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for Environment {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "production" => Ok(Self::Production),
            "uat" => Ok(Self::Uat),
            other => Err(format!("`{other}` is no environment: use `production` or `uat`")),
        }
    }
}
