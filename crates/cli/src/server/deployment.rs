//! The configuration and the database that a command works on.

use std::sync::Arc;

use tm_auth_server::Config;
use tm_auth_server::clock::{Clock, SystemClock};
use tm_auth_server::config::{Database, PostgresUrl};
use tm_auth_server::signing_keys::rotation::ServiceKeys;
use tm_auth_store::postgres::{self, PostgresOptions};
use tm_auth_store::sqlite::{self, Role, SqliteOptions, Synchronous};
use tm_auth_store::{Origin, Store};

use super::{ConfigArgs, Failure};

/// An opened deployment.
pub(super) struct Deployment {
    pub(super) config: Config,
    pub(super) store: Arc<Store>,
    pub(super) clock: SystemClock,
}

impl ConfigArgs {
    pub(super) fn load(&self) -> Result<Config, Failure> {
        Ok(Config::load(self.config.as_deref(), std::env::vars())?)
    }

    /// Opens the database beside the server. It must exist: an administrative command on an address that was
    /// mistyped must not make an empty one.
    pub(super) async fn open(&self) -> Result<Deployment, Failure> {
        let config = self.load()?;
        refuse_missing(&config).await?;
        let store = open(&config, Role::Command).await?;
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

/// Opens the database and brings its schema up to date.
pub(super) async fn open(config: &Config, role: Role) -> Result<Arc<Store>, Failure> {
    Ok(Arc::new(match &config.database {
        Database::Sqlite { path } => sqlite::open(&SqliteOptions {
            path: path.clone(),
            role,
            synchronous: Synchronous::Full,
        })?,
        Database::Postgres { url, max_connections } => {
            postgres::open(&postgres_options(url, *max_connections)).await?
        }
    }))
}

/// Where there is no database, a command must not make one.
pub(super) async fn refuse_missing(config: &Config) -> Result<(), Failure> {
    if is_empty(config).await? {
        return Err(Failure(format!(
            "there is no database at {}: start the service, or run `tm-auth migrate`",
            config.database
        )));
    }
    Ok(())
}

/// The names of the migrations that the database still needs.
pub(super) async fn pending_migrations(config: &Config) -> Result<Vec<&'static str>, Failure> {
    Ok(match &config.database {
        Database::Sqlite { path } => sqlite::pending_migrations(path)?,
        Database::Postgres { url, max_connections } => {
            postgres::pending_migrations(&postgres_options(url, *max_connections)).await?
        }
    })
}

async fn is_empty(config: &Config) -> Result<bool, Failure> {
    Ok(match &config.database {
        Database::Sqlite { path } => !path.exists(),
        Database::Postgres { url, max_connections } => {
            postgres::is_empty(&postgres_options(url, *max_connections)).await?
        }
    })
}

fn postgres_options(url: &PostgresUrl, max_connections: u32) -> PostgresOptions {
    PostgresOptions {
        url: url.expose().to_owned(),
        max_connections,
    }
}
