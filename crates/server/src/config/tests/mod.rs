//! Loading a configuration from files and variables, and the one line of a refusal.

mod apple;
mod database;
mod loading;
mod mail;
mod secrets;
mod values;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;

/// A random key for tests, which protects nothing.
const KEK: &str = "mZ3kqJ0yXw1Jd0o5m1sH8v2QbWc7RrT4uYfEeLxNaP8=";
const OTHER_KEK: &str = "_-3kqJ0yXw1Jd0o5m1sH8v2QbWc7RrT4uYfEeLxNaP8";

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }
    fn file(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.0.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path
    }
}

/// Gives a file to another user if root runs the tests: the group may read a file of root.
fn not_of_root(path: PathBuf) -> PathBuf {
    if rustix::process::geteuid().is_root() {
        std::os::unix::fs::chown(&path, Some(65_534), None).unwrap();
    }
    path
}

fn minimal() -> Vec<(String, String)> {
    env(&[
        ("ENVIRONMENT", "production"),
        ("PUBLIC_URL", "https://api.truemarkets.co/v1/auth"),
        ("DATABASE__PATH", "/var/lib/tm-auth/tm-auth.db"),
        ("KEYS__KEK", KEK),
    ])
}

fn env(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs
        .iter()
        .map(|(key, value)| (format!("TM_AUTH__{key}"), (*value).to_owned()))
        .collect()
}

fn with(pairs: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let mut all = minimal();
    all.retain(|(key, _)| !pairs.iter().any(|(other, _)| *key == format!("TM_AUTH__{other}")));
    all.extend(env(pairs));
    Config::load(None, all)
}

/// The error of these settings. It must be one line and name `key`.
fn refused(key: &str, pairs: &[(&str, &str)]) -> String {
    let error = with(pairs).expect_err(&format!("{pairs:?} must be refused"));
    let line = error.to_string();
    assert_eq!(error.key(), Some(key), "{line}");
    assert!(line.contains(&format!("`{key}`")), "{line}");
    assert_eq!(line.lines().count(), 1, "{line}");
    line
}
