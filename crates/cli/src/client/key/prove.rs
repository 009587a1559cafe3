//! `tm-auth key prove`: the signature with which the API Keys page registers a public key.

use clap::Args;
use jiff::Timestamp;
use tm_auth_client::proto::AccountId;

use crate::client::key_file::KeyFileArgs;
use crate::client::{Console, Failure};

/// Print the proof that you hold a key, for the API Keys page
///
/// The page shows this command with its values. What it prints goes back into the page. It is a
/// signature over a text for this one registration and of no use for anything else. Asks nobody.
#[derive(Args, Debug)]
pub(crate) struct ProveArgs {
    #[command(flatten)]
    key: KeyFileArgs,
    /// The service's issuer URL
    #[arg(long, value_name = "URL")]
    issuer: String,
    /// The account that the key is registered for
    #[arg(long, value_name = "UID")]
    account: AccountId,
    /// The Unix second in the text that the page shows; now where it is left out
    #[arg(long, value_name = "SECONDS")]
    timestamp: Option<i64>,
}

pub(super) fn run(args: &ProveArgs, console: &mut Console<'_>) -> Result<(), Failure> {
    let (_, signer) = args.key.load()?;
    let at = match args.timestamp {
        Some(seconds) => Timestamp::from_second(seconds)
            .map_err(|_| Failure::usage(format!("{seconds} is no time in Unix seconds")))?,
        None => console.now,
    };
    let proof = signer.registration_proof(&args.issuer, args.account, at)?;
    console.print(&proof.signature)
}
