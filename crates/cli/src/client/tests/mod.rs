//! Runs the commands against the client crate's test server, with a console in memory.

mod console;
mod key;
mod login;
mod sign;
mod token;
mod verify;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Parser;
use tm_auth_client::testing::{Issuer, TestRuntime};
use tm_auth_client::{Runtime, key_file};

use super::failure::Exit;
use super::{ClientCommand, Console, Failure};

/// Parses the commands like the binary.
#[derive(Debug, Parser)]
struct Program {
    #[command(subcommand)]
    command: ClientCommand,
}

/// A test server, its clock, and a folder for files.
struct Fixture {
    clock: Arc<TestRuntime>,
    issuer: Issuer,
    directory: tempfile::TempDir,
}

/// The result and the output of a command.
#[derive(Debug)]
struct RunOutput {
    result: Result<(), Failure>,
    output: String,
    notes: String,
}

impl RunOutput {
    fn exit(&self) -> Option<Exit> {
        self.result.as_ref().err().map(|failure| failure.exit)
    }
}

impl Fixture {
    async fn new() -> Self {
        let clock = Arc::new(TestRuntime::default());
        Self {
            issuer: Issuer::start(clock.clone()).await.unwrap(),
            clock,
            directory: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes the key file of the key that the test server knows.
    fn key_file(&self) -> PathBuf {
        let path = self.path("known.json");
        key_file::create(&path, &self.issuer.key_file()).unwrap();
        path
    }

    async fn run(&self, arguments: &[&str], input: &str) -> RunOutput {
        let arguments = ["tm-auth"].iter().chain(arguments);
        let program = Program::try_parse_from(arguments).unwrap();
        let (mut output, mut notes) = (Vec::new(), Vec::new());
        let mut console = Console {
            input: Box::new(input.as_bytes()),
            input_is_terminal: false,
            output: Box::new(&mut output),
            notes: Box::new(&mut notes),
            now: self.clock.now(),
        };
        let result = program.command.run_on(&mut console).await;
        if let Err(failure) = &result {
            failure.report(&mut console);
        }
        drop(console);
        RunOutput {
            result,
            output: String::from_utf8(output).unwrap(),
            notes: String::from_utf8(notes).unwrap(),
        }
    }

    /// A token with the claims that a registration needs.
    async fn management_token(&self) -> String {
        let source = self.issuer.token_source(self.clock.clone());
        source.access_token().await.unwrap().as_str().to_owned()
    }

    /// Makes the test server answer the next request with a registered key.
    fn answer_with_key(&self, label: &str) {
        let body = format!(
            r#"{{"key_id":"b1f0c2d4-6a1e-8c55-9d1f-2f1a0c3b4d5e","label":{label:?},"algorithm":"ES256","fingerprint":"f",
            "status":"active","scopes":["read","trade"],"allowed_ips":[],"created_at":"2025-11-24T00:00:00Z",
            "expires_at":"2026-02-22T00:00:00Z","revoked_at":null,"last_used_at":null,"last_used_ip":null}}"#
        );
        self.issuer.answer_next(201, "application/json", &body);
    }
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

#[test]
fn the_definition_of_the_client_commands_is_valid() {
    <Program as clap::CommandFactory>::command().debug_assert();
}
