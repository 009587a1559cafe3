//! The commands against the stand-in of the client crate, with a console in memory.

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

/// The commands as the binary has them.
#[derive(Debug, Parser)]
struct Program {
    #[command(subcommand)]
    command: ClientCommand,
}

struct Bench {
    clock: Arc<TestRuntime>,
    issuer: Issuer,
    directory: tempfile::TempDir,
}

/// What a run left behind.
#[derive(Debug)]
struct Ran {
    result: Result<(), Failure>,
    output: String,
    notes: String,
}

impl Ran {
    fn exit(&self) -> Option<Exit> {
        self.result.as_ref().err().map(|failure| failure.exit)
    }
}

impl Bench {
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

    /// A key file that the stand-in knows.
    fn key_file(&self) -> PathBuf {
        let path = self.path("known.json");
        key_file::create(&path, &self.issuer.key_file()).unwrap();
        path
    }

    async fn run(&self, arguments: &[&str], input: &str) -> Ran {
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
        Ran {
            result,
            output: String::from_utf8(output).unwrap(),
            notes: String::from_utf8(notes).unwrap(),
        }
    }

    /// A token with the claims that a registration looks at.
    async fn management_token(&self) -> String {
        let source = self.issuer.token_source(self.clock.clone());
        source.access_token().await.unwrap().as_str().to_owned()
    }

    /// The service's answer about a key.
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
fn the_command_line_is_sound() {
    <Program as clap::CommandFactory>::command().debug_assert();
}
