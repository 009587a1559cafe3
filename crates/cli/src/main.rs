//! `tm-auth`: one binary with the auth service, its administrative commands and the client
//! commands.

// They panic if the stream is closed or its disk is full: use `output`.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod client;
mod output;
mod server;

use std::process::ExitCode;
use std::time::Duration;

use clap::{Parser, Subcommand};
use client::ClientCommand;
use rustix::process::Signal;
use server::ServerCommand;
use tokio::signal::unix::{SignalKind, signal};

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
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return explain(&error),
    };
    // All TLS in this process uses this provider.
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .expect("no provider is installed yet");
    let runtime = tokio::runtime::Runtime::new().expect("the system can start threads");
    let code = runtime.block_on(async {
        // A write beyond RLIMIT_FSIZE fails like one on a full disk, instead of killing the process.
        // The handler stays when its stream is dropped.
        signal(SignalKind::from_raw(Signal::XFSZ.as_raw())).ok();
        match cli.command {
            Command::Server(command) => command.run().await,
            Command::Client(command) => command.run().await,
        }
    });
    // The system's resolver can hang for longer than a deadline, and cannot be cancelled.
    runtime.shutdown_timeout(Duration::from_secs(1));
    code
}

/// Prints the help, the version, or what is wrong with the arguments.
fn explain(error: &clap::Error) -> ExitCode {
    if error.use_stderr() {
        error.print().ok();
        return ExitCode::from(2);
    }
    match output::print(error.render().to_string().trim_end()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(unwritten) => {
            output::note(format!("error: {unwritten}"));
            ExitCode::FAILURE
        }
    }
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
