//! `tm-auth doctor`: checks what the service needs, each thing after those it depends on.

use clap::Args;
use tm_auth_server::clock::Clock;
use tm_auth_server::config::Database;
use tm_auth_server::signing_keys::check::all_unseal;
use tm_auth_server::{Config, open_files};
use tm_auth_store::error::Chain;
use tm_auth_store::sqlite;

use super::{ConfigArgs, Failure, Outcome, deployment};
use crate::output;

/// Options of `doctor`.
#[derive(Debug, Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Also check all pages of a SQLite database, and read every row of every table
    #[arg(long)]
    full: bool,
}

pub(super) async fn run(args: &DoctorArgs) -> Outcome {
    let (full, args) = (args.full, &args.config);
    let config = args.load()?;
    passed(
        "configuration",
        &format!("{}, {}", config.environment, config.public_url.as_str()),
    )?;
    let pending = deployment::pending_migrations(&config).await?;
    if !pending.is_empty() {
        return Err(Failure(format!(
            "schema: pending migrations {}: run `tm-auth migrate`",
            pending.join(", ")
        )));
    }
    let exposed = match &config.database {
        Database::Sqlite { path } => sqlite::exposed_files(path),
        Database::Postgres { .. } => Vec::new(),
    };
    let deployment = args.open().await?;
    passed("database", &config.database.to_string())?;
    for (path, mode) in exposed {
        output::print(format_args!(
            "warning  database files: other users could open {} (mode {mode:03o}); its mode is 600 now",
            path.display()
        ))?;
    }
    integrity(&deployment, full).await?;
    deployment
        .store
        .ping()
        .await
        .map_err(|error| Failure(format!("writes: {}", Chain(&error))))?;
    passed("writes", "the database accepts them")?;
    let keys = deployment.signing_keys();
    let listed = keys.list().await?;
    if listed.is_empty() {
        passed("signing keys", "none yet; the first start creates them")?;
    } else {
        all_unseal(&config, &listed).map_err(|problem| Failure(format!("signing keys: {problem}")))?;
        let ring = keys.ring().await?;
        passed(
            "signing keys",
            &format!("{} in the database; {} signs", listed.len(), ring.signing().kid()),
        )?;
    }
    match &config.network.forwarding_proxies() {
        [] => passed("client addresses", "from the connection; no proxy is trusted"),
        proxies => passed(
            "client addresses",
            &format!(
                "from X-Forwarded-For of {} trusted proxies or networks",
                proxies.len()
            ),
        ),
    }?;
    access_tokens(&config)?;
    connections(&config)?;
    passed(
        "clock",
        &format!(
            "{} (UTC); compare it with a clock you trust",
            deployment.clock.now()
        ),
    )
}

/// Checks the pages of a SQLite file, and every row if `full`.
async fn integrity(deployment: &deployment::Deployment, full: bool) -> Outcome {
    let is_sqlite = matches!(deployment.config.database, Database::Sqlite { .. });
    if is_sqlite {
        let checked = deployment.store.check_file(full).await;
        checked.map_err(|error| {
            Failure(format!(
                "integrity: {}: stop the service and restore a backup with `tm-auth restore BACKUP`",
                Chain(&error)
            ))
        })?;
    }
    if full {
        let rows = deployment.store.check_rows().await;
        let rows = rows.map_err(|error| Failure(format!("integrity: {}", Chain(&error))))?;
        passed("integrity", &format!("{rows} rows can be read"))?;
        if !is_sqlite {
            output::print(
                "warning  integrity: the pages of PostgreSQL are checked by `pg_amcheck` and data checksums",
            )?;
        }
    } else if is_sqlite {
        passed("integrity", "quick check; `doctor --full` also reads every row")?;
    }
    Ok(())
}

/// Warns if access tokens expire before some clients renew them.
fn access_tokens(config: &Config) -> Outcome {
    let lifetime = config.tokens.access_ttl_seconds;
    if config.tokens.expire_before_clients_renew() {
        output::print(format_args!(
            "warning  access tokens: they live {lifetime} s, but there are clients that keep an access token \
             for 55 to 58 minutes; set `tokens.access_ttl_seconds` to 3600"
        ))?;
        Ok(())
    } else {
        passed("access tokens", &format!("they live {lifetime} s"))
    }
}

/// Warns if the limit of open files allows fewer connections than are configured.
fn connections(config: &Config) -> Outcome {
    let places = open_files::places(config, open_files::raise_limit());
    let capacity = &places.capacity;
    match places.needed {
        None => passed(
            "connections",
            &format!("{}, {} per network", capacity.total, capacity.per_network),
        ),
        Some(needed) => Ok(output::print(format_args!(
            "warning  connections: the limit of open files allows {} of the {} in `limits.max_connections`; \
             raise the hard limit to {needed} (`LimitNOFILE` in systemd), or lower the setting",
            capacity.total, config.limits.max_connections
        ))?),
    }
}

fn passed(what: &str, detail: &str) -> Outcome {
    Ok(output::print(format_args!("ok  {what}: {detail}"))?)
}
