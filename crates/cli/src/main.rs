//! `tm-auth`: one binary with the auth service, its administrative commands and the client
//! commands.

mod client;
mod server;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use client::ClientCommand;
use server::ServerCommand;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The True Markets auth service: mint short-lived JWTs with a P-256 key, verify them anywhere.
///
/// Start with `tm-auth dev`, a sandbox with a demo account, a demo key and commands to paste.
#[derive(Debug, Parser)]
#[command(name = "tm-auth", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Server(ServerCommand),
    #[command(flatten)]
    Client(ClientCommand),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    // All TLS in this process uses this provider.
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .expect("no provider is installed yet");
    let runtime = tokio::runtime::Runtime::new().expect("the system can start threads");
    runtime.block_on(async {
        match cli.command {
            Command::Server(command) => command.run().await,
            Command::Client(command) => command.run().await,
        }
    })
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    #[test]
    fn the_command_line_definition_is_valid() {
        super::Cli::command().debug_assert();
    }

    #[test]
    fn the_former_names_of_commands_still_work() {
        for former in [["recovered"].as_slice(), &["signing-keys", "reseal"]] {
            let arguments = ["tm-auth"].iter().chain(former);
            assert!(super::Cli::try_parse_from(arguments).is_ok(), "{former:?}");
        }
    }
}
