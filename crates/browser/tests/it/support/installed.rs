//! Finds the programs and files that `scripts/tools` installs. A test fails if one is missing.

use std::env;
use std::path::{Path, PathBuf};

/// The workspace root.
pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Finds a program on PATH. Panics if it is missing.
pub(crate) fn program(name: &str) -> PathBuf {
    on_path(name).unwrap_or_else(|| panic!("{name} is missing: run scripts/tools"))
}

/// Finds a program on PATH. `None` if it is missing, so that the caller can look elsewhere.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let folders = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&folders)
        .map(|folder| folder.join(name))
        .find(|file| file.is_file())
}

/// Returns the absolute form of a path in the workspace. Panics if the file is missing.
pub(crate) fn file(path: &str) -> PathBuf {
    let file = workspace().join(path);
    assert!(file.exists(), "{path} is missing: run scripts/tools");
    file
}
