//! The token that managing keys takes.

use clap::Args;

use crate::client::service::ServiceArgs;
use crate::client::{Console, Failure};

/// Service and management token.
#[derive(Args, Debug)]
pub(super) struct ManagementArgs {
    #[command(flatten)]
    pub(super) service: ServiceArgs,
    /// A management token; `-` reads it from standard input. Better in TM_MANAGEMENT_TOKEN: other users
    /// of this machine can see arguments. A token that a key minted never manages keys
    #[arg(
        long,
        env = "TM_MANAGEMENT_TOKEN",
        value_name = "TOKEN",
        hide_env_values = true
    )]
    token: String,
}

impl ManagementArgs {
    pub(super) fn token(&self, console: &mut Console<'_>) -> Result<String, Failure> {
        let token = if self.token == "-" {
            console.read("the management token")?
        } else {
            self.token.trim().to_owned()
        };
        if token.is_empty() || token.contains(char::is_whitespace) {
            return Err(Failure::usage("the management token is not one word"));
        }
        Ok(token)
    }
}
