//! `[database]`: where the data is. A SQLite file, or a PostgreSQL server for several nodes.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::error::{ConfigError, within};
use super::postgres_url::PostgresUrl;
use super::secret;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Database {
    /// One node, one file.
    Sqlite {
        /// The file. Its folder must exist; the file is made where there is none.
        path: PathBuf,
    },
    /// Any number of nodes.
    Postgres {
        /// The server and the database in it, which must exist.
        url: PostgresUrl,
        /// Most connections of this node at a time.
        max_connections: u32,
    },
}

/// Two are the lanes' of mints and refreshes; one writes and one reads beside them.
const MIN_CONNECTIONS: u32 = 4;
const DEFAULT_MAX_CONNECTIONS: u32 = 10;

impl Database {
    /// The file; none where the data is on a server.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::Sqlite { path } => Some(path),
            Self::Postgres { .. } => None,
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        match self {
            Self::Sqlite { path } => check_path(path),
            Self::Postgres { max_connections, .. } => {
                within("database.max_connections", *max_connections, MIN_CONNECTIONS, 200)
            }
        }
    }
}

/// For people: the file, or the server without role and password.
impl fmt::Display for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite { path } => path.display().fmt(f),
            Self::Postgres { url, .. } => url.fmt(f),
        }
    }
}

fn check_path(path: &Path) -> Result<(), ConfigError> {
    if path.file_name().is_none() {
        return Err(ConfigError::at(
            "database.path",
            "names no file; write a path like /var/lib/tm-auth/tm-auth.db",
        ));
    }
    // SQLite reads these as something other than a file's name.
    let text = path.to_string_lossy();
    if text.starts_with(':') || text.starts_with("file:") {
        return Err(ConfigError::at(
            "database.path",
            "is a SQLite address, not a path; write the plain path of a file",
        ));
    }
    Ok(())
}

/// `[database]` as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DatabaseSource {
    path: Option<PathBuf>,
    url: Option<String>,
    url_file: Option<PathBuf>,
    max_connections: Option<u32>,
}

impl DatabaseSource {
    /// Decides which of the two it is; reads the address from its file.
    pub(super) fn fetch(self) -> Result<Database, ConfigError> {
        let url = secret::parsed("database.url", self.url, self.url_file)?;
        match (self.path, url) {
            (Some(_), Some(_)) => Err(ConfigError::at(
                "database.path",
                "and the address of a PostgreSQL server are both set; write exactly one",
            )),
            (None, None) => Err(ConfigError::at(
                "database.path",
                "is missing; write the path of a SQLite file, or `database.url_file` for PostgreSQL",
            )),
            (Some(_), None) if self.max_connections.is_some() => Err(ConfigError::at(
                "database.max_connections",
                "is for PostgreSQL only; leave it out beside `database.path`",
            )),
            (Some(path), None) => Ok(Database::Sqlite { path }),
            (None, Some(url)) => Ok(Database::Postgres {
                url,
                max_connections: self.max_connections.unwrap_or(DEFAULT_MAX_CONNECTIONS),
            }),
        }
    }
}
