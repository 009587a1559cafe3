//! `tm-auth post-restore`: what follows a restore.

use std::path::PathBuf;

use clap::Args;
use jiff::Timestamp;
use tm_auth_core::signing::StoredSigningKey;

use super::{ConfigArgs, Outcome, repeat, restore};
use crate::output;

/// Options of `post-restore`.
#[derive(Debug, Args)]
pub(crate) struct PostRestoreArgs {
    #[command(flatten)]
    config: ConfigArgs,
    /// Repeat the revocations, disabled keys and accounts and ended sessions of this log of the
    /// service (JSON), which the backup may lack. Can be given several times
    #[arg(long, value_name = "FILE")]
    log: Vec<PathBuf>,
    /// Read the log from this time on, such as the time of the backup
    #[arg(long, value_name = "TIME", requires = "log")]
    since: Option<Timestamp>,
    /// Also end all sessions. This does not replace `--log`: a key that was revoked after the
    /// backup mints again
    #[arg(long)]
    end_sessions: bool,
}

pub(super) async fn run(args: &PostRestoreArgs) -> Outcome {
    let deployment = args.config.open().await?;
    // Before anything is changed, so that an unreadable log changes nothing.
    let changes = repeat::read(&args.log, args.since)?;
    let audit_context = deployment.operator();
    let recovered_at = restore::recovered_at(&deployment.config);
    let ended = deployment
        .store
        .mark_recovered(recovered_at, args.end_sessions, &audit_context)
        .await?;
    output::print(format_args!(
        "challenges signed before {recovered_at} are refused; {ended} sessions ended"
    ))?;
    if args.log.is_empty() {
        output::note(format_args!(
            "Revocations made after the backup are lost. Repeat them: run this command with `--log FILE`. \
             Ending sessions does not replace this: a key that was revoked after the backup mints again."
        ));
    } else {
        repeat::run(&deployment, changes).await?;
    }
    ask_about_signing_keys(&deployment.signing_keys().list().await?);
    Ok(())
}

/// A signing key that was revoked after the backup is back.
pub(super) fn ask_about_signing_keys(keys: &[StoredSigningKey]) {
    if keys.is_empty() {
        return;
    }
    output::note(format_args!(
        "Was a signing key revoked after the backup? It is back. Revoke it again with `tm-auth signing-keys revoke KID`. \
         The database has:"
    ));
    for key in keys {
        output::note(format_args!(
            "  {} {} published {}",
            key.kid,
            key.purpose.as_str(),
            key.published_at
        ));
    }
}
