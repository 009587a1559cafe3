//! Runs the programs that a user has besides the browser: the platform's SDK, `openssl` and
//! `tm-auth`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use super::installed;

/// The platform's Python SDK, configured with one key file.
pub(crate) struct Sdk {
    python: PathBuf,
    origin: String,
    key_file: PathBuf,
}

impl Sdk {
    pub(crate) fn new(origin: &str, key_file: &Path) -> Self {
        Self {
            python: installed::file("target/venv/bin/python"),
            origin: origin.to_owned(),
            key_file: key_file.to_owned(),
        }
    }

    /// Mints a token pair. Returns the tokens, or `status` and `message` of the refusal.
    pub(crate) fn mint(&self) -> Value {
        self.call(&["mint"])
    }

    /// Exchanges a refresh token. Returns the tokens, or `status` and `message` of the refusal.
    pub(crate) fn refresh(&self, refresh_token: &str) -> Value {
        self.call(&["refresh", refresh_token])
    }

    /// Runs `sdk.py`, which prints the outcome of one call as a JSON object.
    fn call(&self, arguments: &[&str]) -> Value {
        let mut command = Command::new(&self.python);
        command
            .arg(installed::workspace().join("crates/browser/tests/it/python/sdk.py"))
            .args(arguments);
        command
            .env("TM_BASE_URL", &self.origin)
            .env("TM_KEY_FILE", &self.key_file)
            .env("TM_TELEMETRY", "0");
        serde_json::from_str(&output(command)).expect("`sdk.py` prints a JSON object")
    }
}

/// Runs `openssl`. Returns its standard output.
pub(crate) fn openssl(folder: &Path, arguments: &[&str]) -> String {
    run(Path::new("openssl"), folder, arguments)
}

/// Runs `tm-auth`. Returns its standard output.
pub(crate) fn tm_auth(folder: &Path, arguments: &[&str]) -> String {
    let program = cargo_folder().join("tm-auth");
    assert!(
        program.exists(),
        "{} is missing: run scripts/test, or build it with the profile of this test",
        program.display()
    );
    run(&program, folder, arguments)
}

/// Runs a command that a page shows, in a shell that finds `tm-auth`. Returns its standard output.
pub(crate) fn shell(folder: &Path, script: &str) -> String {
    let path = std::env::var("PATH").unwrap_or_default();
    let mut command = Command::new("sh");
    command.current_dir(folder).args(["-euc", script]);
    command.env("PATH", format!("{}:{path}", cargo_folder().display()));
    output(command)
}

/// The folder of the programs that cargo built. The program of these tests is one folder deeper, in
/// `deps`.
fn cargo_folder() -> PathBuf {
    let test_program = std::env::current_exe().expect("the test program has a path");
    let folder = test_program.parent().and_then(Path::parent);
    folder.expect("the test program is in cargo's folder").to_owned()
}

fn run(program: &Path, folder: &Path, arguments: &[impl AsRef<OsStr>]) -> String {
    let mut command = Command::new(program);
    command.current_dir(folder).args(arguments);
    output(command)
}

/// Runs a command that must succeed. Returns its standard output.
fn output(mut command: Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {stderr}");
    String::from_utf8(output.stdout).expect("the output is UTF-8")
}
