//! The commands of a server's machine. Administrative ones write to the database beside the running server,
//! which takes over what they changed within half a second.

mod accounts;
mod backup;
mod deployment;
mod dev;
mod doctor;
mod logging;
mod migrate;
mod quick_start;
mod serve;
mod signing_keys;
mod transfer;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use tm_auth_store::error::Chain;

/// One of the commands of a server's machine.
#[derive(Debug, Subcommand)]
pub(crate) enum ServerCommand {
    /// Run a sandbox: embedded database, demo account, demo key, commands to paste
    Dev(dev::DevArgs),
    /// Run the service
    Serve(ConfigArgs),
    /// Bring the database's schema up to date
    Migrate(migrate::MigrateArgs),
    /// Check configuration, database, keys and clock, and say what is wrong
    Doctor(ConfigArgs),
    /// Copy the database beside the running service
    Backup(backup::BackupArgs),
    /// Write everything into a file, to move to another database
    Export(transfer::ExportArgs),
    /// Fill an empty database from such a file
    Import(transfer::ImportArgs),
    /// Mark a restored database, so that signatures made before the restore are refused
    Recovered(backup::RecoveredArgs),
    /// Create, list, disable and enable accounts; issue management tokens
    #[command(subcommand)]
    Accounts(accounts::AccountsCommand),
    /// List, rotate, revoke and rewrap the service's own keys
    #[command(subcommand)]
    SigningKeys(signing_keys::SigningKeysCommand),
}

/// Where the configuration is.
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    /// The configuration file (TOML). Variables named TM_AUTH__SECTION__KEY win over it
    #[arg(long, short, env = "TM_AUTH_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Why a command did not do its work: one line.
#[derive(Debug)]
pub(crate) struct Failure(String);

impl<E: Into<Box<dyn Error>>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self(Chain(&*error.into()).to_string())
    }
}

type Outcome = Result<(), Failure>;

impl ServerCommand {
    /// Runs the command. Needs a tokio runtime.
    pub(crate) async fn run(self) -> ExitCode {
        let outcome = match self {
            Self::Dev(args) => dev::run(args).await,
            Self::Serve(args) => serve::run(&args).await,
            Self::Migrate(args) => migrate::run(&args).await,
            Self::Doctor(args) => doctor::run(&args).await,
            Self::Backup(args) => backup::run(&args).await,
            Self::Export(args) => transfer::export(&args).await,
            Self::Import(args) => transfer::import(&args).await,
            Self::Recovered(args) => backup::recovered(&args).await,
            Self::Accounts(command) => command.run().await,
            Self::SigningKeys(command) => command.run().await,
        };
        match outcome {
            Ok(()) => ExitCode::SUCCESS,
            Err(Failure(message)) => {
                eprintln!("error: {message}");
                ExitCode::FAILURE
            }
        }
    }
}
