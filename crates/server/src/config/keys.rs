//! `[keys]`, `[signing_keys]`, `[api_keys]`: key-encryption keys, rotation of signing keys, limits
//! of API keys.

use std::path::PathBuf;

use serde::Deserialize;

use super::error::{ConfigError, within};
use super::secret::{self, Kek};
use super::secret_file::SecretFiles;

/// The key-encryption keys, which seal signing keys and MAC keys in the database.
#[derive(Clone, Debug)]
pub struct Keys {
    /// The key that seals and unseals.
    pub kek: Kek,
    /// A key that only unseals, until every stored key is rewrapped under `kek`.
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

/// The section `[keys]` as it is parsed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeySources {
    kek: Option<String>,
    kek_file: Option<PathBuf>,
    previous_kek: Option<String>,
    previous_kek_file: Option<PathBuf>,
}

impl KeySources {
    /// Reads the keys from their values or files.
    pub(super) fn fetch(self, files: &SecretFiles) -> Result<Keys, ConfigError> {
        let kek = secret::kek(files, "keys.kek", self.kek, self.kek_file)?.ok_or_else(|| {
            ConfigError::at(
                "keys.kek_file",
                "is missing; name a file made with: (umask 077; openssl rand -base64 32 > FILE)",
            )
        })?;
        Ok(Keys {
            kek,
            previous_kek: secret::kek(
                files,
                "keys.previous_kek",
                self.previous_kek,
                self.previous_kek_file,
            )?,
        })
    }
}

/// When signing keys are rotated.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SigningKeys {
    /// Days for which a key signs before the next key replaces it.
    pub rotate_days: u32,
    /// Least hours between publishing a key and signing with it, so that every verifier's cache has
    /// the key by then.
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
                "is not shorter than `signing_keys.rotate_days`; write fewer hours",
            ));
        }
        Ok(())
    }
}

/// Limits of the API keys that users create.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ApiKeys {
    /// Maximum number of live keys of one account, and again of its pending keys.
    pub max_per_account: u32,
    /// Registrations of one account within 24 hours. Keys stay after they are revoked or expired.
    pub max_registrations_per_day: u32,
    /// Days until a key expires if its owner chose no expiry.
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
