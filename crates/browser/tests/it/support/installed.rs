//! Where the programs are that `scripts/tools` installs. What is missing is said and its tests are skipped;
//! under `CI=true` it is a failure.

use std::env;
use std::path::{Path, PathBuf};

/// The root of the work tree.
pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A program on the path.
pub(crate) fn program(name: &str) -> Option<PathBuf> {
    on_path(name).or_else(|| missing(name))
}

/// A program on the path, of which another place is tried next.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let folders = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&folders)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// A file of the work tree.
pub(crate) fn file(path: &str) -> Option<PathBuf> {
    let file = workspace().join(path);
    if file.exists() { Some(file) } else { missing(path) }
}

pub(crate) fn missing<T>(what: &str) -> Option<T> {
    let told = format!("{what} is missing, run scripts/tools");
    assert!(env::var("CI").as_deref() != Ok("true"), "{told}");
    eprintln!("skipped: {told}");
    None
}
