//! `tm-auth sign`: the body of a mint, for curl.

use clap::Args;

use super::key_file::KeyFileArgs;
use super::{Console, Failure};

/// Print the body of a mint request, signed now, for curl
///
/// The JSON body of POST /v1/auth/api-key/token, signed now and good for 30 seconds:
///
///   curl -H 'Content-Type: application/json' -d "$(tm-auth sign)" https://api.truemarkets.co/v1/auth/api-key/token
///
/// Asks nobody. Each run signs anew.
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct SignArgs {
    #[command(flatten)]
    pub(super) key: KeyFileArgs,
}

pub(super) fn run(args: &SignArgs, console: &mut Console<'_>) -> Result<(), Failure> {
    let (key_id, signer) = args.key.registered()?;
    let request = signer.mint_request(key_id, console.now)?;
    console.print(&serde_json::json!(request).to_string())
}
