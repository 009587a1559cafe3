//! `tm-auth backup`, and `tm-auth post-restore` for a restored backup.

use std::path::PathBuf;

use clap::Args;

use super::{ConfigArgs, Outcome};
use crate::output;

/// Options of `backup`.
#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// The file to write; it must not exist. Its secrets are unusable without the key-encryption
    /// key
    target: PathBuf,
}

/// Options of `post-restore`.
#[derive(Debug, Args)]
pub(crate) struct PostRestoreArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Also end all sessions. Use this if revocations after the backup may be lost
    #[arg(long)]
    end_sessions: bool,
}

pub(super) async fn run(args: &BackupArgs) -> Outcome {
    let deployment = args.config.open().await?;
    deployment.store.backup(&args.target).await?;
    output::print(args.target.display())?;
    output::note("Store the key-encryption key in another place: a restore needs it.");
    Ok(())
}

pub(super) async fn post_restore(args: &PostRestoreArgs) -> Outcome {
    let deployment = args.config.open().await?;
    let audit_context = deployment.operator();
    let ended = deployment
        .store
        .mark_recovered(audit_context.at, args.end_sessions, &audit_context)
        .await?;
    output::print(format_args!(
        "challenges signed before {} are refused; {ended} sessions ended",
        audit_context.at
    ))?;
    if !args.end_sessions {
        output::note(
            "Revocations made after the backup are lost. Repeat them, or run this command with --end-sessions.",
        );
    }
    Ok(())
}
