//! The commands for clients: keys, signatures, tokens and their verification.
//!
//! Scripts can rely on these rules:
//!
//! 1. Standard output carries only the result. Messages for people go to standard error.
//! 2. The exit code is 0 if the command succeeded, 1 if the service refused, a check failed or the
//!    result cannot be written, 2 if the usage is wrong, and 3 if the service cannot be reached or
//!    cannot serve now. It is 141 if the reader of the result has gone, as in `… | head -1`.
//! 3. Secrets come from files, standard input or environment variables. If the value of an argument
//!    is a secret, `-` reads it from standard input, since other users of the machine can see
//!    arguments.

mod console;
mod failure;
mod key;
mod key_file;
mod login;
mod refresh;
mod service;
mod session_file;
mod sign;
mod token;
mod verify;

#[cfg(test)]
mod tests;

use std::process::ExitCode;

use clap::Subcommand;

pub(crate) use console::Console;
pub(crate) use failure::Failure;

/// The end of the help text of the commands that call the service.
const EXIT_CODES: &str = "Exit codes: 0 done; 1 refused by the service, or a check failed; 2 wrong usage; \
    3 the service cannot be reached or cannot serve now.";

/// A command for clients.
#[derive(Debug, Subcommand)]
pub(crate) enum ClientCommand {
    Login(login::LoginArgs),
    #[command(subcommand)]
    Key(key::KeyCommand),
    Sign(sign::SignArgs),
    Token(token::TokenArgs),
    Refresh(refresh::RefreshArgs),
    Verify(verify::VerifyArgs),
}

impl ClientCommand {
    /// Runs the command on the real console. Needs a tokio runtime.
    pub(crate) async fn run(self) -> ExitCode {
        // Show warnings of the client crate, for example about a key file that others can read.
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::WARN)
            // Its fallback is `eprintln!`, which panics if standard error is closed.
            .log_internal_errors(false)
            .with_writer(std::io::stderr)
            .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()))
            .with_target(false)
            .without_time()
            .try_init()
            .ok();
        let mut console = Console::real();
        match self.run_on(&mut console).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => failure.report(&mut console),
        }
    }

    async fn run_on(self, console: &mut Console<'_>) -> Result<(), Failure> {
        match self {
            Self::Login(args) => login::run(&args, console).await,
            Self::Key(command) => command.run(console).await,
            Self::Sign(args) => sign::run(&args, console),
            Self::Token(args) => token::run(&args, console).await,
            Self::Refresh(args) => refresh::run(&args, console).await,
            Self::Verify(args) => verify::run(&args, console).await,
        }
    }
}
