//! `[database]`: a SQLite file for one node, or a PostgreSQL server for any number of nodes.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::error::{ConfigError, within};
use super::postgres_url::PostgresUrl;
use super::secret;
use super::secret_file::SecretFiles;

/// The section `[database]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Database {
    /// A SQLite file, for one node.
    Sqlite {
        /// The file. The service creates it if it is missing, but not its folder.
        path: PathBuf,
    },
    /// A PostgreSQL database, for any number of nodes.
    Postgres {
        /// The server and its database, which must exist.
        url: PostgresUrl,
        /// Maximum number of connections of this node.
        max_connections: u32,
    },
}

/// What a node does after it noticed that the database went back in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AfterRewind {
    /// It neither mints nor refreshes, and is not ready, until an operator has run `post-restore`.
    #[default]
    Stop,
    /// It repeats the revocations that it knows, and goes on.
    Continue,
}

/// One for the batches of mints, one for the batches of refreshes, and one each for other writes
/// and reads.
const MIN_CONNECTIONS: u32 = 4;
const DEFAULT_MAX_CONNECTIONS: u32 = 10;

impl Database {
    /// The SQLite file. `None` for PostgreSQL.
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

/// Shows the file, or the PostgreSQL URL without role, password and parameters.
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
    // SQLite takes these for an in-memory database or a URI.
    let text = path.to_string_lossy();
    if text.starts_with(':') || text.starts_with("file:") {
        return Err(ConfigError::at(
            "database.path",
            "is a SQLite URI or `:memory:`, not a path; write the plain path of a file",
        ));
    }
    Ok(())
}

/// The section `[database]` as it is parsed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DatabaseSource {
    path: Option<PathBuf>,
    url: Option<String>,
    url_file: Option<PathBuf>,
    max_connections: Option<u32>,
    #[serde(default)]
    pub(super) after_rewind: AfterRewind,
}

impl DatabaseSource {
    /// Reads the PostgreSQL URL from its file, if one is set, and requires exactly one database. The
    /// private key that the URL names must be private too.
    pub(super) fn fetch(self, files: &SecretFiles) -> Result<Database, ConfigError> {
        let url: Option<PostgresUrl> = secret::parsed(files, "database.url", self.url, self.url_file)?;
        if let Some(key) = url.as_ref().and_then(PostgresUrl::client_key) {
            files.check("database.url", &key)?;
        }
        match (self.path, url) {
            (Some(_), Some(_)) => Err(ConfigError::at(
                "database.path",
                "and a PostgreSQL URL are both set; write exactly one",
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
