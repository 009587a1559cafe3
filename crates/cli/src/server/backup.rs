//! `tm-auth backup` and, after its file was put back, `tm-auth recovered`.

use std::path::PathBuf;

use clap::Args;

use super::{ConfigArgs, Outcome};

/// Options of `backup`.
#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Where to write the copy; must not exist. It holds no usable secret without the key-encryption key
    target: PathBuf,
}

/// Options of `recovered`.
#[derive(Debug, Args)]
pub(crate) struct RecoveredArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// End all sessions too, so that nothing that was revoked after the backup goes on
    #[arg(long)]
    end_sessions: bool,
}

pub(super) async fn run(args: &BackupArgs) -> Outcome {
    let deployment = args.config.open().await?;
    deployment.store.backup(&args.target).await?;
    println!("{}", args.target.display());
    eprintln!("keep the key-encryption key apart from it: the copy is of no use without");
    Ok(())
}

pub(super) async fn recovered(args: &RecoveredArgs) -> Outcome {
    let deployment = args.config.open().await?;
    let audit_context = deployment.operator();
    let ended = deployment
        .store
        .mark_recovered(audit_context.at, args.end_sessions, &audit_context)
        .await?;
    println!(
        "signatures made before {} are refused; {ended} sessions ended",
        audit_context.at
    );
    if !args.end_sessions {
        eprintln!(
            "what was revoked after the backup is not: revoke it again, or run this with --end-sessions"
        );
    }
    Ok(())
}
