//! `tm-auth backup`.

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

pub(super) async fn run(args: &BackupArgs) -> Outcome {
    let deployment = args.config.open().await?;
    deployment.store.backup(&args.target).await?;
    output::print(args.target.display())?;
    output::note("Store the key-encryption key in another place: a restore needs it.");
    Ok(())
}
