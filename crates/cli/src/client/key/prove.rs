//! `tm-auth key prove`: prints the proof of possession for the API Keys page.

use clap::Args;
use jiff::Timestamp;
use tm_auth_client::proto::AccountId;

use crate::client::key_file::KeyFileArgs;
use crate::client::{Console, Failure};

/// Print the proof that you hold a key, for the API Keys page
///
/// The page shows this command with its values. Paste its output back into the page. It is a
/// signature of a text for this registration and has no other use. Sends no request.
#[derive(Args, Debug)]
pub(crate) struct ProveArgs {
    #[command(flatten)]
    key: KeyFileArgs,
    /// The service's issuer URL
    #[arg(long, value_name = "URL")]
    issuer: String,
    /// The account to register the key for
    #[arg(long, value_name = "UID")]
    account: AccountId,
    /// The Unix time in the text that the page shows [default: now]
    #[arg(long, value_name = "SECONDS")]
    timestamp: Option<i64>,
}

pub(super) fn run(args: &ProveArgs, console: &mut Console<'_>) -> Result<(), Failure> {
    let (_, signer) = args.key.load()?;
    let at = match args.timestamp {
        Some(seconds) => Timestamp::from_second(seconds)
            .map_err(|_| Failure::usage(format!("{seconds} is not a Unix time in seconds")))?,
        None => console.now,
    };
    let proof = signer.registration_proof(&args.issuer, args.account, at)?;
    console.print(&proof.signature)
}
