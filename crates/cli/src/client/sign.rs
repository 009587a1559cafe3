//! `tm-auth sign`: prints the body of a mint request.

use clap::Args;

use super::key_file::KeyFileArgs;
use super::{Console, Failure};

/// Print the body of a mint request, for curl
///
/// Prints the body of POST /v1/auth/api-key/token, signed now and valid for 30 seconds:
///
///   curl -H 'Content-Type: application/json' -d "$(tm-auth sign)" \
///     https://api.truemarkets.co/v1/auth/api-key/token
///
/// Sends no request. Each run signs a new challenge.
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
