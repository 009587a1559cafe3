//! `tm-auth key adopt`: the id that the API Keys page gave comes into the key file.

use std::path::PathBuf;

use clap::Args;
use tm_auth_client::proto::KeyId;

use super::register::keep;
use crate::client::key_file::KeyFileArgs;
use crate::client::{Console, Failure};

/// Put the id of a key that was registered on the API Keys page into its file
///
/// The file is then renamed to truemarkets-api-key-<first 8 of the id>.json beside the old one, or
/// to --out. Asks nobody.
#[derive(Args, Debug)]
pub(crate) struct AdoptArgs {
    #[command(flatten)]
    key: KeyFileArgs,
    /// The id on the key's page
    #[arg(long, value_name = "ID")]
    key_id: KeyId,
    /// Where to put the registered key file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) fn run(args: &AdoptArgs, console: &mut Console<'_>) -> Result<(), Failure> {
    let (mut file, _) = args.key.load()?;
    if let Some(key_id) = file.key_id.filter(|key_id| *key_id != args.key_id) {
        return Err(Failure::usage(format!(
            "the key file belongs to another key, {key_id}"
        )));
    }
    file.key_id = Some(args.key_id);
    let path = keep(&args.key.key_file, args.out.as_deref(), &file)?;
    console.print(&format!("key_file: {}", path.display()))
}
