//! The option `--key-file`.

use std::path::PathBuf;

use clap::Args;
use tm_auth_client::proto::{KeyFile, KeyId};
use tm_auth_client::{Signer, key_file};

use super::Failure;

/// The key file of a command.
#[derive(Args, Clone, Debug)]
pub(super) struct KeyFileArgs {
    /// The key file, from `tm-auth key new` or from the API Keys page
    #[arg(long, env = "TM_KEY_FILE", value_name = "FILE")]
    pub(super) key_file: PathBuf,
}

impl KeyFileArgs {
    /// Loads the file. Returns its content and the key pair.
    pub(super) fn load(&self) -> Result<(KeyFile, Signer), Failure> {
        let file = key_file::load(&self.key_file)?;
        let signer = Signer::from_key_file(&file)?;
        Ok((file, signer))
    }

    /// Loads a registered key. Returns its id and key pair. Fails if the file has no key id.
    pub(super) fn registered(&self) -> Result<(KeyId, Signer), Failure> {
        let (file, signer) = self.load()?;
        let key_id = file.key_id.ok_or_else(|| {
            Failure::usage(format!(
                "the key in {} is not registered: the file has no key_id",
                self.key_file.display()
            ))
            .hint("register it with `tm-auth key register` or on the API Keys page")
        })?;
        Ok((key_id, signer))
    }
}
