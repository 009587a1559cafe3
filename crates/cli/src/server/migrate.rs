//! `tm-auth migrate`.

use clap::Args;
use tm_auth_store::sqlite::Role;

use super::{ConfigArgs, Outcome, deployment};
use crate::output;

/// Options of `migrate`.
#[derive(Debug, Args)]
pub(crate) struct MigrateArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Only print the pending migrations
    #[arg(long)]
    plan: bool,
}

pub(super) async fn run(args: &MigrateArgs) -> Outcome {
    let config = args.config.load()?;
    let pending = deployment::pending_migrations(&config).await?;
    for name in &pending {
        let what = if args.plan { "pending" } else { "running" };
        output::print(format_args!("{what} {name}"))?;
    }
    if pending.is_empty() {
        output::print("the schema is up to date")?;
    }
    if !args.plan {
        deployment::open(&config, Role::Command).await?;
    }
    Ok(())
}
