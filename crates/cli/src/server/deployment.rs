//! The configuration and the database that a command works on.

use std::sync::Arc;

use tm_auth_server::Config;
use tm_auth_server::clock::{Clock, SystemClock};
use tm_auth_server::config::Database;
use tm_auth_server::service_keys::ServiceKeys;
use tm_auth_store::sqlite::{Role, SqliteOptions, SqliteStore, Synchronous};
use tm_auth_store::{Origin, Store};

use super::{ConfigArgs, Failure};

/// An opened deployment.
pub(super) struct Deployment {
    pub(super) config: Config,
    pub(super) store: Arc<dyn Store>,
    pub(super) clock: SystemClock,
}

impl ConfigArgs {
    pub(super) fn load(&self) -> Result<Config, Failure> {
        Ok(Config::load(self.config.as_deref(), std::env::vars())?)
    }

    /// Opens the database beside the server. The database must exist: an administrative command on a path
    /// that was mistyped must not make an empty one.
    pub(super) async fn open(&self) -> Result<Deployment, Failure> {
        let config = self.load()?;
        if config.database.file().is_some_and(|file| !file.exists()) {
            return Err(Failure(format!(
                "there is no database at {}: start the service, or run `tm-auth migrate`",
                config.database
            )));
        }
        let store = open(&config, Role::Command)?;
        store.bind_environment(config.environment).await?;
        Ok(Deployment {
            config,
            store,
            clock: SystemClock,
        })
    }
}

impl Deployment {
    pub(super) fn operator(&self) -> Origin {
        Origin::operator(self.clock.now())
    }

    pub(super) fn service_keys(&self) -> ServiceKeys {
        ServiceKeys::new(Arc::clone(&self.store), &self.config)
    }
}

pub(super) fn open(config: &Config, role: Role) -> Result<Arc<dyn Store>, Failure> {
    match &config.database {
        Database::Sqlite { path } => {
            let options = SqliteOptions {
                path: path.clone(),
                role,
                synchronous: Synchronous::Full,
            };
            Ok(Arc::new(SqliteStore::open(&options)?))
        }
        Database::Postgres { .. } => Err(no_postgres()),
    }
}

/// The names of the migrations that the database still needs.
pub(super) fn pending_migrations(config: &Config) -> Result<Vec<&'static str>, Failure> {
    match &config.database {
        Database::Sqlite { path } => Ok(SqliteStore::pending_migrations(path)?),
        Database::Postgres { .. } => Err(no_postgres()),
    }
}

fn no_postgres() -> Failure {
    Failure("this version opens SQLite files only: write `database.path`".to_owned())
}
