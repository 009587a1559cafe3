//! The commands for the server. Administrative commands write to the database next to the running
//! server, which notices their changes within half a second.

mod accounts;
mod backup;
mod deployment;
mod dev;
mod doctor;
mod log_writer;
mod logging;
mod migrate;
mod post_restore;
mod quick_start;
mod repeat;
mod restore;
mod serve;
mod signing_keys;
mod transfer;

use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use tm_auth_store::error::Chain;

/// A command for the server.
#[derive(Debug, Subcommand)]
pub(crate) enum ServerCommand {
    /// Run a sandbox with its own database, a demo account, a demo key and commands to paste
    Dev(dev::DevArgs),
    /// Run the service
    Serve(ConfigArgs),
    /// Run the pending database migrations
    Migrate(migrate::MigrateArgs),
    /// Check what the service needs: settings, database, keys, network, mail, clock. Changes nothing
    Doctor(doctor::DoctorArgs),
    /// Copy the SQLite database while the service runs
    Backup(backup::BackupArgs),
    /// Put a backup in the place of the SQLite database, and keep the old files
    Restore(restore::RestoreArgs),
    /// Export the database to a file, to move it to another database
    Export(transfer::ExportArgs),
    /// Import an exported file into an empty database
    Import(transfer::ImportArgs),
    /// Refuse challenges signed before now, and repeat what the backup lacks; run this after a restore
    #[command(alias = "recovered")]
    PostRestore(post_restore::PostRestoreArgs),
    /// Create, list, disable and enable accounts; issue management tokens
    #[command(subcommand)]
    Accounts(accounts::AccountsCommand),
    /// List, rotate, revoke and rewrap the service's own keys
    #[command(subcommand)]
    SigningKeys(signing_keys::SigningKeysCommand),
}

/// The location of the configuration.
#[derive(Debug, Args)]
pub(crate) struct ConfigArgs {
    /// The configuration file (TOML). Environment variables TM_AUTH__SECTION__KEY override it
    #[arg(long, short, env = "TM_AUTH_CONFIG", value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Why a command failed, in one line.
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
            Self::Restore(args) => restore::run(args).await,
            Self::Export(args) => transfer::export(&args).await,
            Self::Import(args) => transfer::import(&args).await,
            Self::PostRestore(args) => post_restore::run(&args).await,
            Self::Accounts(command) => command.run().await,
            Self::SigningKeys(command) => command.run().await,
        };
        let code = match outcome {
            Ok(()) => ExitCode::SUCCESS,
            Err(Failure(message)) => {
                logging::note(&format!("error: {message}"));
                ExitCode::FAILURE
            }
        };
        logging::finish();
        code
    }
}
