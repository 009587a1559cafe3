//! `tm-auth export` and `tm-auth import`: from one database to another.

use std::path::PathBuf;

use clap::Args;
use tm_auth_server::clock::{Clock, SystemClock};
use tm_auth_store::AuditContext;
use tm_auth_store::sqlite::Role;
use tm_auth_store::transfer::Contents;

use super::{ConfigArgs, Outcome, deployment};

/// Options of `export`.
#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Beside a running server, for a rehearsal: what it writes from now on is not in the file
    #[arg(long)]
    while_serving: bool,
    /// The file to write; must not exist. It holds no usable secret without the key-encryption key
    target: PathBuf,
}

/// Options of `import`.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// What `tm-auth export` wrote
    source: PathBuf,
}

pub(super) async fn export(args: &ExportArgs) -> Outcome {
    let config = args.config.load()?;
    deployment::refuse_missing(&config).await?;
    // As the one server of its file, so that no other writes meanwhile.
    let role = if args.while_serving {
        Role::Command
    } else {
        Role::Server
    };
    let store = deployment::open(&config, role).await?;
    let contents = store.export(&args.target, SystemClock.now()).await?;
    print(&contents);
    eprintln!("keep the key-encryption key apart from it: the file is of no use without");
    Ok(())
}

pub(super) async fn import(args: &ImportArgs) -> Outcome {
    let config = args.config.load()?;
    let store = deployment::open(&config, Role::Server).await?;
    let audit_context = AuditContext::operator(SystemClock.now());
    let contents = store
        .import(&args.source, config.environment, &audit_context)
        .await?;
    print(&contents);
    println!("every table has the rows and the checksum of the file");
    Ok(())
}

fn print(contents: &Contents) {
    for table in &contents.tables {
        println!("{:<20} {:>10} {}", table.name, table.rows, table.sha256);
    }
}
