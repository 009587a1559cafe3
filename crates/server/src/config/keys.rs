//! `[keys]`, `[signing_keys]`, `[api_keys]`: the key-encryption key, the rotation of signing keys,
//! users' keys.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::error::{ConfigError, within};
use super::secret::{self, Kek};

/// The keys that seal signing and MAC keys in the database.
#[derive(Clone, Debug)]
pub struct Keys {
    /// Seals and unseals.
    pub kek: Kek,
    /// Unseals what an earlier key sealed, until every key is rewrapped.
    pub previous_kek: Option<Kek>,
}

impl Keys {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self
            .previous_kek
            .as_ref()
            .is_some_and(|previous| previous.is_same(&self.kek))
        {
            return Err(ConfigError::at(
                "keys.previous_kek",
                "is the same as `keys.kek`; leave it out or write the earlier key",
            ));
        }
        Ok(())
    }
}

/// `[keys]` as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeySources {
    kek: Option<String>,
    kek_file: Option<PathBuf>,
    previous_kek: Option<String>,
    previous_kek_file: Option<PathBuf>,
}

impl KeySources {
    /// Turns values and files into keys. `inline` names the configuration file if it holds a secret
    /// itself.
    pub(super) fn fetch(self, inline: Option<(&str, &Path)>) -> Result<Keys, ConfigError> {
        if let Some((key, file)) = inline {
            secret::check_private(key, file)?;
        }
        let kek = secret::kek("keys.kek", self.kek, self.kek_file)?.ok_or_else(|| {
            ConfigError::at(
                "keys.kek_file",
                "is missing; name a file made with: (umask 077; openssl rand -base64 32 > FILE)",
            )
        })?;
        Ok(Keys {
            kek,
            previous_kek: secret::kek("keys.previous_kek", self.previous_kek, self.previous_kek_file)?,
        })
    }
}

/// When signing keys change.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SigningKeys {
    /// Days a key signs before the next one takes over.
    pub rotate_days: u32,
    /// Hours a key is published before it signs, so that every verifier's cache has it by then.
    pub publish_hours: u32,
}

impl Default for SigningKeys {
    fn default() -> Self {
        Self {
            rotate_days: 90,
            publish_hours: 24,
        }
    }
}

impl SigningKeys {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        within("signing_keys.rotate_days", self.rotate_days, 1, 365)?;
        within("signing_keys.publish_hours", self.publish_hours, 1, 24 * 30)?;
        if self.publish_hours >= self.rotate_days * 24 {
            return Err(ConfigError::at(
                "signing_keys.publish_hours",
                "is as long as `signing_keys.rotate_days`; write fewer hours",
            ));
        }
        Ok(())
    }
}

/// What users may register.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApiKeys {
    /// Live keys of one account.
    pub max_per_account: u32,
    /// Registrations of one account within 24 hours. Keys stay after they are revoked or expired.
    pub max_registrations_per_day: u32,
    /// Days until a key ends whose owner chose no end.
    pub default_expiry_days: u32,
}

impl Default for ApiKeys {
    fn default() -> Self {
        Self {
            max_per_account: 20,
            max_registrations_per_day: 100,
            default_expiry_days: 365,
        }
    }
}

impl ApiKeys {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        within("api_keys.max_per_account", self.max_per_account, 1, 100)?;
        within(
            "api_keys.max_registrations_per_day",
            self.max_registrations_per_day,
            1,
            10_000,
        )?;
        within("api_keys.default_expiry_days", self.default_expiry_days, 1, 3650)
    }
}
