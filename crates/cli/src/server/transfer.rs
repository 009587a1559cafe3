//! `tm-auth export` and `tm-auth import`, which move a service to another database.

use std::path::PathBuf;

use clap::Args;
use tm_auth_server::clock::{Clock, SystemClock};
use tm_auth_store::AuditContext;
use tm_auth_store::sqlite::Role;
use tm_auth_store::transfer::Contents;

use super::{ConfigArgs, Outcome, deployment};
use crate::output;

/// Options of `export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Export while the server runs, for a rehearsal. Later writes are not in the file
    #[arg(long)]
    while_serving: bool,
    /// The file to write; it must not exist. Its secrets are unusable without the key-encryption
    /// key
    target: PathBuf,
}

/// Options of `import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// The file that `tm-auth export` wrote
    source: PathBuf,
}

pub(super) async fn export(args: &ExportArgs) -> Outcome {
    let config = args.config.load()?;
    deployment::require_database(&config).await?;
    // The role `Server` takes the lock of a SQLite database, so that no server writes meanwhile.
    let role = if args.while_serving {
        Role::Command
    } else {
        Role::Server
    };
    let store = deployment::open(&config, role).await?;
    let contents = store.export(&args.target, SystemClock.now()).await?;
    print(&contents)?;
    output::note("Store the key-encryption key in another place: an import needs the same one.");
    Ok(())
}

pub(super) async fn import(args: &ImportArgs) -> Outcome {
    let config = args.config.load()?;
    let store = deployment::open(&config, Role::Server).await?;
    let audit_context = AuditContext::operator(SystemClock.now());
    let contents = store
        .import(&args.source, config.environment, &audit_context)
        .await?;
    print(&contents)?;
    output::print("the rows and the checksum of every table match the file")?;
    Ok(())
}

fn print(contents: &Contents) -> Outcome {
    for table in &contents.tables {
        output::print(format_args!(
            "{:<20} {:>10} {}",
            table.name, table.rows, table.sha256
        ))?;
    }
    Ok(())
}
