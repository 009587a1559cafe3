//! `tm-auth key adopt`: writes the id that the API Keys page shows into the key file.

use std::path::PathBuf;

use clap::Args;
use tm_auth_client::proto::KeyId;

use super::register::save_registered;
use crate::client::key_file::KeyFileArgs;
use crate::client::{Console, Failure};

/// Write the id of a key that you registered on the API Keys page into its file
///
/// Then moves the file to truemarkets-api-key-<first 8 of the id>.json in the same folder, or to
/// --out. Sends no request.
#[derive(Args, Debug)]
pub(crate) struct AdoptArgs {
    #[command(flatten)]
    key: KeyFileArgs,
    /// The id that the key's page shows
    #[arg(long, value_name = "ID")]
    key_id: KeyId,
    /// Where to move the registered key file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) fn run(args: &AdoptArgs, console: &mut Console<'_>) -> Result<(), Failure> {
    let (mut file, _) = args.key.load()?;
    if let Some(key_id) = file.key_id.filter(|key_id| *key_id != args.key_id) {
        return Err(Failure::usage(format!(
            "the file belongs to another key, {key_id}"
        )));
    }
    file.key_id = Some(args.key_id);
    let path = save_registered(&args.key.key_file, args.out.as_deref(), &file)?;
    console.print(&format!("key_file: {}", path.display()))
}
