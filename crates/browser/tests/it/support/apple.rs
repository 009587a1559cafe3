//! Runs the OpenID provider of the server's tests in place of Apple.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;
use tm_auth_server::Config;
use tm_auth_server::config::Apple;

use super::installed;
use super::sdk::openssl;

const PROVIDER_FOLDER: &str = "crates/server/tests/it/apple_provider";
const CLIENT_ID: &str = "co.truemarkets.auth";
const TEAM_ID: &str = "TEAM123456";
const KEY_ID: &str = "KEY1234567";

/// A running provider. Dropping it kills the process.
pub(crate) struct AppleProvider(Child);

impl AppleProvider {
    /// Starts the provider and configures the service to use it.
    pub(crate) fn start(config: &mut Config) -> Self {
        installed::file(&format!("{PROVIDER_FOLDER}/node_modules"));
        let (key, public_key) = team_key();
        let settings = json!({
            "client_id": CLIENT_ID,
            "team_id": TEAM_ID,
            "key_id": KEY_ID,
            "public_key": public_key,
            "redirect_uri": format!("{}/apple/callback", config.public_url.origin()),
        });
        let node = installed::on_path("node").unwrap_or_else(|| installed::file("target/venv/bin/node"));
        let mut process = Command::new(node)
            .arg("provider.mjs")
            .arg(settings.to_string())
            .current_dir(installed::workspace().join(PROVIDER_FOLDER))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the provider starts");
        let mut line = String::new();
        let stdout = process.stdout.take().expect("stdout is piped");
        BufReader::new(stdout)
            .read_line(&mut line)
            .expect("the provider prints a line");
        let started: Value = serde_json::from_str(&line).expect("the line is JSON");
        let mut apple = Apple::new(CLIENT_ID, TEAM_ID, KEY_ID, key.parse().expect("a P-256 key"));
        started["issuer"]
            .as_str()
            .expect("the line contains the issuer")
            .clone_into(&mut apple.issuer);
        config.apple = Some(apple);
        Self(process)
    }
}

impl Drop for AppleProvider {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}

/// Creates the key that signs client secrets, in the format that Apple hands out. Returns the
/// private and the public key as PEM.
fn team_key() -> (String, String) {
    let folder = TempDir::new().expect("a folder for a key");
    let curve = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
    let private = openssl(folder.path(), &[&["genpkey"], &curve[..]].concat());
    let file = folder.path().join("team.p8");
    std::fs::write(&file, &private).expect("the key is written");
    let public = openssl(folder.path(), &["pkey", "-in", path(&file), "-pubout"]);
    (private, public)
}

fn path(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}
