//! `[database]`: where the data is.

use std::path::PathBuf;

use serde::Deserialize;

use super::error::ConfigError;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// The SQLite file. Its folder must exist; the file is made where there is none.
    pub path: PathBuf,
}

impl Database {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        if self.path.file_name().is_none() {
            return Err(ConfigError::at(
                "database.path",
                "names no file; write a path like /var/lib/tm-auth/tm-auth.db",
            ));
        }
        // SQLite reads these as something other than a file's name.
        let text = self.path.to_string_lossy();
        if text.starts_with(':') || text.starts_with("file:") {
            return Err(ConfigError::at(
                "database.path",
                "is a SQLite address, not a path; write the plain path of a file",
            ));
        }
        Ok(())
    }
}
