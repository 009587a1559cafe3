//! `tm-auth restore`.

use std::path::PathBuf;

use clap::Args;
use jiff::SignedDuration;
use tm_auth_server::Config;
use tm_auth_server::clock::{Clock, SystemClock};
use tm_auth_server::config::Database;
use tm_auth_server::signing_keys::check::all_unseal;
use tm_auth_store::AuditContext;
use tm_auth_store::sqlite::{self, RestoreOptions, Restored};

use super::{ConfigArgs, Failure, Outcome, post_restore};
use crate::output;

/// Options of `restore`.
#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// The file that `tm-auth backup` wrote
    backup: PathBuf,
}

pub(super) async fn run(args: RestoreArgs) -> Outcome {
    let config = args.config.load()?;
    let Database::Sqlite { path } = &config.database else {
        return Err(Failure(
            "`tm-auth restore` restores SQLite. PostgreSQL is restored by `pg_restore` or its platform: stop every node, \
             restore, and run `tm-auth post-restore --log FILE` before a node starts"
                .to_owned(),
        ));
    };
    let now = SystemClock.now();
    let options = RestoreOptions {
        path: path.clone(),
        backup: args.backup,
        environment: config.environment,
        recovered_at: recovered_at(&config),
        audit_context: AuditContext::operator(now),
    };
    let restored = tokio::task::spawn_blocking({
        let (options, config) = (options.clone(), config.clone());
        move || sqlite::restore(&options, |keys| all_unseal(&config, keys))
    })
    .await??;
    print(&options, &restored)
}

/// The time before which challenges are refused. A client whose clock is ahead signs with a later
/// time, and the lost database may have accepted that.
pub(super) fn recovered_at(config: &Config) -> jiff::Timestamp {
    SystemClock.now() + SignedDuration::from_secs(config.challenge.skew_seconds.into())
}

fn print(options: &RestoreOptions, restored: &Restored) -> Outcome {
    output::print(format_args!(
        "restored {} from {}",
        options.path.display(),
        options.backup.display()
    ))?;
    for path in &restored.set_aside {
        output::print(format_args!("kept {}", path.display()))?;
    }
    output::print(format_args!(
        "challenges signed before {} are refused",
        options.recovered_at
    ))?;
    let since = restored
        .last_entry_at
        // An entry has the time at which its request began, and is written a moment later.
        .map(|at| at - SignedDuration::from_mins(1))
        .map_or_else(String::new, |at| format!(" --since {at}"));
    output::note(format_args!(
        "Before you start the service, repeat what was revoked, disabled or ended after the backup: run \
         `tm-auth post-restore --log FILE{since}` with the service's log."
    ));
    post_restore::ask_about_signing_keys(&restored.signing_keys);
    Ok(())
}
