//! `tm-auth key`.

mod adopt;
mod lifetime;
mod list;
mod management;
mod new;
mod prove;
mod register;
mod revoke;

use clap::Subcommand;

use super::{Console, Failure};

/// Create, register, list and revoke API keys
#[derive(Debug, Subcommand)]
pub(crate) enum KeyCommand {
    New(new::NewArgs),
    Prove(prove::ProveArgs),
    Adopt(adopt::AdoptArgs),
    Register(register::RegisterArgs),
    List(list::ListArgs),
    Revoke(revoke::RevokeArgs),
}

impl KeyCommand {
    pub(super) async fn run(self, console: &mut Console<'_>) -> Result<(), Failure> {
        match self {
            Self::New(args) => new::run(&args, console),
            Self::Prove(args) => prove::run(&args, console),
            Self::Adopt(args) => adopt::run(&args, console),
            Self::Register(args) => register::run(&args, console).await,
            Self::List(args) => list::run(&args, console).await,
            Self::Revoke(args) => revoke::run(&args, console).await,
        }
    }
}
