//! Production and UAT: two deployments that refuse each other's tokens, keys and sessions.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The deployment that a token, key or session belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Environment {
    /// Trades with real money.
    Production,
    /// Sandbox for integrators.
    Uat,
}

impl Environment {
    /// Name in configuration, claims and responses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Production => "production",
            Self::Uat => "uat",
        }
    }

    /// Base URL of the platform's own deployment. The message of `wrong_environment` names it.
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
            other => Err(format!(
                "unknown environment `{other}`: use `production` or `uat`"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_has_one_name_in_text_and_json() {
        for (environment, word, url) in [
            (
                Environment::Production,
                "production",
                "https://api.truemarkets.co/v1/auth",
            ),
            (Environment::Uat, "uat", "https://api.uat.truemarkets.co/v1/auth"),
        ] {
            assert_eq!(environment.as_str(), word);
            assert_eq!(environment.to_string(), word);
            assert_eq!(word.parse(), Ok(environment));
            assert_eq!(
                serde_json::to_string(&environment).unwrap(),
                format!("\"{word}\"")
            );
            assert_eq!(environment.public_base_url(), url);
        }
        for other in ["Production", "UAT", "staging", ""] {
            assert!(other.parse::<Environment>().is_err(), "{other}");
        }
    }
}
