//! The configuration and the database that a command uses.

use std::sync::Arc;

use tm_auth_server::Config;
use tm_auth_server::clock::{Clock, SystemClock};
use tm_auth_server::config::{Database, PostgresUrl};
use tm_auth_server::signing_keys::rotation::SigningKeys;
use tm_auth_store::postgres::{self, PostgresOptions};
use tm_auth_store::sqlite::{self, Role, SqliteOptions, Synchronous};
use tm_auth_store::{AuditContext, Store};

use super::{ConfigArgs, Failure};

/// A loaded configuration with its open database.
pub(super) struct Deployment {
    pub(super) config: Config,
    pub(super) store: Arc<Store>,
    pub(super) clock: SystemClock,
}

impl ConfigArgs {
    pub(super) fn load(&self) -> Result<Config, Failure> {
        Config::load(self.config.as_deref(), std::env::vars()).map_err(|error| {
            let no_file = match self.config {
                Some(_) => "",
                None => " (no configuration file is given: name one with --config or TM_AUTH_CONFIG)",
            };
            Failure(format!("{error}{no_file}"))
        })
    }

    /// Opens the database for an administrative command, which may run next to the server. The
    /// database must exist: a mistyped address must not create an empty one.
    pub(super) async fn open(&self) -> Result<Deployment, Failure> {
        let config = self.load()?;
        require_database(&config).await?;
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
    pub(super) fn operator(&self) -> AuditContext {
        AuditContext::operator(self.clock.now())
    }

    pub(super) fn signing_keys(&self) -> SigningKeys {
        SigningKeys::new(Arc::clone(&self.store), &self.config)
    }
}

/// Opens the database and runs the pending migrations.
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

/// Fails if there is no database yet.
pub(super) async fn require_database(config: &Config) -> Result<(), Failure> {
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
        Database::Sqlite { path } => !sqlite::exists(path)?,
        Database::Postgres { url, max_connections } => {
            postgres::is_empty(&postgres_options(url, *max_connections)).await?
        }
    })
}

pub(super) fn postgres_options(url: &PostgresUrl, max_connections: u32) -> PostgresOptions {
    PostgresOptions {
        url: url.expose().to_owned(),
        max_connections,
    }
}
