//! The database: what it says about itself, whether it is damaged, whether it takes writes, and who
//! can open its files.

use std::path::Path;

use rustix::fs::{Access, access, statvfs};
use tm_auth_proto::Environment;
use tm_auth_server::{Config, config};
use tm_auth_store::error::Chain;
use tm_auth_store::postgres::{self, ServerState};
use tm_auth_store::{Contents, Inspection, StoreError, sqlite};

use super::super::deployment;
use super::report::{Verdict, fail, in_time, ok, warn};

/// Below this free space on the disk of a SQLite file there is a warning, and below a hundredth of
/// it a failure.
const LITTLE_SPACE: u64 = 256 * 1024 * 1024;

/// What the database and its server said, or why it cannot be read.
pub(super) struct Database {
    /// `None`: there is no file.
    pub(super) found: Result<Option<Inspection>, String>,
    pub(super) server: Option<ServerState>,
}

impl Database {
    pub(super) async fn read(config: &Config) -> Self {
        let database = config.database.clone();
        let read = in_time(async move {
            match database {
                config::Database::Sqlite { path } => {
                    let read = tokio::task::spawn_blocking(move || sqlite::inspect(&path)).await;
                    let found = read.map_err(|error| error.to_string())?.map_err(text)?;
                    Ok((found, None))
                }
                config::Database::Postgres { url, max_connections } => {
                    let options = deployment::postgres_options(&url, max_connections);
                    let (found, server) = postgres::inspect(&options).await.map_err(text)?;
                    Ok((Some(found), Some(server)))
                }
            }
        });
        match read.await {
            Ok((found, server)) => Self {
                found: Ok(found),
                server,
            },
            Err(problem) => Self {
                found: Err(problem),
                server: None,
            },
        }
    }

    /// What is stored, if there is a schema.
    pub(super) fn contents(&self) -> Option<&Contents> {
        self.found.as_ref().ok()?.as_ref()?.contents.as_ref()
    }

    /// What a check that needs the contents says if there are none.
    pub(super) fn no_contents(&self) -> Verdict {
        match &self.found {
            Ok(_) => ok("nothing is stored yet"),
            Err(_) => warn("not checked, because the database cannot be read: see `database.schema`"),
        }
    }

    pub(super) fn schema(&self, config: &Config) -> Verdict {
        let place = &config.database;
        match &self.found {
            Err(problem) => fail(format!("{place} cannot be read: {problem}")),
            Ok(Some(found)) if found.contents.is_some() && found.pending.is_empty() => {
                ok(format!("{place} is up to date"))
            }
            Ok(Some(found)) if found.contents.is_some() => ok(format!(
                "{place} needs {}, which the next start runs",
                found.pending.join(", ")
            )),
            Ok(Some(_)) => warn(format!(
                "{place} is empty: the first start, or `tm-auth migrate`, creates the tables. If you expected data, correct the `[database]` settings"
            )),
            Ok(None) => no_file(config),
        }
    }

    /// Checks the pages of a SQLite file, and every row if `full`.
    pub(super) async fn integrity(&self, config: &Config, full: bool) -> Verdict {
        if matches!(self.found, Ok(None)) {
            return self.no_contents();
        }
        let read = match config.database.clone() {
            config::Database::Sqlite { path } => {
                let checked = tokio::task::spawn_blocking(move || sqlite::check(&path, full)).await;
                checked.map_err(StoreError::unavailable).flatten()
            }
            config::Database::Postgres { url, max_connections } if full && self.contents().is_some() => {
                let options = deployment::postgres_options(&url, max_connections);
                postgres::check_rows(&options).await.map(Some)
            }
            config::Database::Postgres { .. } => {
                return ok("PostgreSQL checks its pages with `pg_amcheck` and data checksums");
            }
        };
        match read {
            Ok(Some(rows)) => ok(format!("{rows} rows can be read")),
            Ok(None) => ok("quick check; `doctor --full` also reads every row"),
            Err(error @ StoreError::Damaged(_)) => fail(format!(
                "{}: restore a backup with `tm-auth restore BACKUP`",
                text(error)
            )),
            Err(error) => fail(text(error)),
        }
    }

    pub(super) fn environment(&self, config: &Config) -> Verdict {
        let Some(contents) = self.contents() else {
            return self.no_contents();
        };
        let configured = config.environment.as_str();
        match &contents.environment {
            None => ok(format!("the first start binds the database to {configured}")),
            Some(bound) if bound == configured => ok(bound.as_str()),
            Some(bound) => fail(format!(
                "the database belongs to {bound}, but `environment` is {configured}: name the database of {configured}, or change `environment`"
            )),
        }
    }

    pub(super) fn writes(&self, config: &Config) -> Verdict {
        match (&config.database, &self.server) {
            (config::Database::Sqlite { path }, _) => file_writes(path),
            (_, Some(server)) if server.is_read_only => fail(
                "PostgreSQL is read-only: name the primary in the URL, or turn `default_transaction_read_only` off",
            ),
            (_, Some(_)) => ok("PostgreSQL accepts them"),
            (_, None) => self.no_contents(),
        }
    }

    pub(super) fn durability(&self, config: &Config) -> Verdict {
        let Some(server) = &self.server else {
            return match config.database.file() {
                Some(_) => ok("SQLite waits for the disk before it acknowledges a change"),
                None => self.no_contents(),
            };
        };
        if server.forgetful.is_empty() {
            return ok("PostgreSQL waits for the disk before it acknowledges a change");
        }
        let off = server.forgetful.join(", ");
        let message = format!(
            "PostgreSQL may forget acknowledged revocations in a crash: {off} off; turn on each of them for this database and role"
        );
        match config.environment {
            Environment::Production => fail(message),
            Environment::Uat => warn(message),
        }
    }
}

fn text(error: StoreError) -> String {
    Chain(&error).to_string()
}

fn no_file(config: &Config) -> Verdict {
    let path = config.database.file().unwrap_or(Path::new(""));
    let folder = folder(path);
    if folder.is_dir() {
        return warn(format!(
            "there is no file {} yet: the first start, or `tm-auth migrate`, creates it. If you expected data, correct `database.path`",
            path.display()
        ));
    }
    fail(format!(
        "the folder {} does not exist: create it for the service's user, or correct `database.path`",
        folder.display()
    ))
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

/// Checks permissions and free space instead of writing.
fn file_writes(path: &Path) -> Verdict {
    let folder = folder(path);
    for place in [folder, path] {
        if place.exists() && access(place, Access::WRITE_OK).is_err() {
            return fail(format!(
                "this user cannot write {}: give folder and file to the service's user, and run `doctor` as that user",
                place.display()
            ));
        }
    }
    let Ok(disk) = statvfs(folder) else {
        return fail(format!(
            "the folder {} cannot be examined: correct `database.path`",
            folder.display()
        ));
    };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let message = format!("{} MiB are free on the disk", free / (1024 * 1024));
    if free < LITTLE_SPACE / 100 {
        fail(format!("{message}: make room, or no change can be stored"))
    } else if free < LITTLE_SPACE {
        warn(format!("{message}: make room soon"))
    } else {
        ok(message)
    }
}

/// Who can open the files of a SQLite database.
pub(super) fn files(config: &Config) -> Verdict {
    let Some(path) = config.database.file() else {
        return ok("none: the database is PostgreSQL");
    };
    let exposed = sqlite::exposed_files(path);
    let Some((file, mode)) = exposed.first() else {
        return ok("only their owner can open them");
    };
    let names: Vec<_> = exposed
        .iter()
        .map(|(file, _)| file.display().to_string())
        .collect();
    // Only a warning, since the next start does it as well.
    warn(format!(
        "other users can open {} (mode {mode:03o}); run: chmod 600 {}",
        file.display(),
        names.join(" ")
    ))
}
