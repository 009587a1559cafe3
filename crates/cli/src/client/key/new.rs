//! `tm-auth key new`: creates a key pair on this machine.

use std::path::PathBuf;

use clap::Args;
use tm_auth_client::{Signer, key_file};

use crate::client::{Console, Failure};

/// Create a key pair on this machine
///
/// Creates an EC P-256 key pair, writes it to a file that only you can read, and prints the public
/// key with its fingerprint. The private key never leaves the file.
///
/// Next: `tm-auth key register --key-file FILE`, or paste the public key on the API Keys page.
#[derive(Args, Debug)]
pub(crate) struct NewArgs {
    /// Where to write the key file; an existing file is never overwritten
    #[arg(long, value_name = "FILE", default_value = "truemarkets-api-key.json")]
    out: PathBuf,
    /// A name for the key, up to 64 characters
    #[arg(long, default_value = "")]
    label: String,
}

pub(super) fn run(args: &NewArgs, console: &mut Console<'_>) -> Result<(), Failure> {
    if args.out.exists() {
        return Err(Failure::usage(format!(
            "{} exists already and is not overwritten",
            args.out.display()
        ))
        .hint("choose another name with --out"));
    }
    let signer = Signer::generate()?;
    let pem = signer.public_key_pem()?;
    key_file::create(&args.out, &signer.key_file(&args.label, console.now)?)?;
    console.print(pem.trim_end())?;
    console.print(&format!("fingerprint: {}", signer.fingerprint()))?;
    console.note(&format!(
        "The key pair is in {}. Keep this file secret.",
        args.out.display()
    ));
    Ok(())
}
