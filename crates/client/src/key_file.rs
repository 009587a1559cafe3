//! Reads and writes key files.
//!
//! A key file is written atomically:
//!
//! 1. Write the content to a temporary file in the same directory, created with mode 0600.
//! 2. Sync the temporary file to disk.
//! 3. Rename it to the key file, and sync the directory.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use tm_auth_proto::{KeyFile, text};
use zeroize::Zeroizing;

/// The longest key file to read, in bytes. A real one has a few hundred.
const MAX_LEN: u64 = 64 * 1024;

/// Reads a key file. If other users of this machine can read it too, logs a warning.
pub fn load(path: impl AsRef<Path>) -> Result<KeyFile, KeyFileError> {
    let path = path.as_ref();
    let failed = |source| KeyFileError::read(path, source);
    let file = File::open(path).map_err(failed)?;
    warn_if_exposed(path, &file);
    // Allocate once: a buffer that grows leaves copies of the private key in memory.
    let length = file.metadata().map_err(failed)?.len().min(MAX_LEN);
    let mut content = Zeroizing::new(Vec::with_capacity(usize::try_from(length).unwrap_or(0) + 1));
    file.take(MAX_LEN + 1).read_to_end(&mut content).map_err(failed)?;
    parse(path, &content)
}

/// Writes a new key file with mode 0600. Fails if the file exists, because a key file may be the
/// only copy of its key.
pub fn create(path: impl AsRef<Path>, key: &KeyFile) -> Result<(), KeyFileError> {
    let path = path.as_ref();
    // Create an empty file first, so that checking that it does not exist and creating it are one
    // step.
    new_private_file(path).map_err(|source| KeyFileError::write(path, source))?;
    replace(path, key).inspect_err(|_| {
        // Remove the empty file that this call created.
        fs::remove_file(path).ok();
    })
}

/// Writes a key file with mode 0600, and replaces the file at `path` if there is one. Steps 1 to 3
/// of the module.
pub fn replace(path: impl AsRef<Path>, key: &KeyFile) -> Result<(), KeyFileError> {
    let path = path.as_ref();
    let failed = |source| KeyFileError::write(path, source);
    let mut content = Zeroizing::new(Vec::with_capacity(4096));
    serde_json::to_writer_pretty(&mut *content, key).map_err(|error| failed(error.into()))?;
    content.push(b'\n');
    let (temporary, mut file) = temporary_beside(path).map_err(failed)?;
    let written = file
        .write_all(&content)
        .and_then(|()| file.sync_all())
        .and_then(|()| fs::rename(&temporary, path));
    if let Err(source) = written {
        fs::remove_file(&temporary).ok();
        return Err(failed(source));
    }
    sync_directory(path);
    Ok(())
}

/// Why a key file could not be read or written. Always the fault of this deployment. No message
/// contains any of the file's content.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// The file cannot be read.
    #[error("cannot read the key file {}: {source}", path.display())]
    Read {
        /// The path of the file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The file cannot be written.
    #[error("cannot write the key file {}: {source}", path.display())]
    Write {
        /// The path of the file.
        path: PathBuf,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The file is not a key file.
    #[error("{} is not a key file: {reason}", path.display())]
    NotAKeyFile {
        /// The path of the file.
        path: PathBuf,
        /// What is wrong with the file.
        reason: String,
    },
}

impl KeyFileError {
    fn read(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        Self::Read { path, source }
    }

    fn write(path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        Self::Write { path, source }
    }
}

fn parse(path: &Path, content: &[u8]) -> Result<KeyFile, KeyFileError> {
    let not_a_key_file = |reason: String| KeyFileError::NotAKeyFile {
        path: path.to_owned(),
        reason,
    };
    if content.len() as u64 > MAX_LEN {
        return Err(not_a_key_file("it is longer than 64 KB".to_owned()));
    }
    let content = text::from_bytes(content).map_err(|problem| not_a_key_file(format!("it {problem}")))?;
    if content.trim_start().starts_with("-----BEGIN") {
        return Err(not_a_key_file(
            "it is a PEM file, not the JSON file of the API Keys page or of `tm-auth key new`".to_owned(),
        ));
    }
    // Do not use serde's message: it may quote the invalid value, which may be the private key.
    serde_json::from_str(content).map_err(|error| {
        let what = if error.is_data() {
            "a member is missing or has the wrong type"
        } else {
            "it is not JSON"
        };
        not_a_key_file(format!(
            "{what} (line {}, column {})",
            error.line(),
            error.column()
        ))
    })
}

/// Only warns, because the key files of existing users may have any mode.
#[cfg(unix)]
fn warn_if_exposed(path: &Path, file: &File) {
    use std::os::unix::fs::PermissionsExt;
    let Ok(metadata) = file.metadata() else { return };
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        tracing::warn!(
            path = %path.display(),
            mode = format!("{mode:04o}"),
            "other users of this machine may read the key file; run `chmod 600` on it"
        );
    }
}

#[cfg(not(unix))]
fn warn_if_exposed(_: &Path, _: &File) {}

fn new_private_file(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// Creates a temporary file in the same directory, because a rename is atomic only within a file
/// system.
fn temporary_beside(path: &Path) -> io::Result<(PathBuf, File)> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path names no file"))?;
    let mut attempt = 0;
    loop {
        let mut temporary = std::ffi::OsString::from(".");
        temporary.push(name);
        temporary.push(format!(".{}-{attempt}.tmp", std::process::id()));
        let temporary = path.with_file_name(temporary);
        match new_private_file(&temporary) {
            // A crash left this file behind, or another thread is writing the same key file.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < 16 => attempt += 1,
            other => return other.map(|file| (temporary, file)),
        }
    }
}

/// Makes the rename durable, if the system can. Ignores a failure, because the content is on disk
/// already.
fn sync_directory(path: &Path) {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if let Ok(directory) = File::open(directory) {
        directory.sync_all().ok();
    }
}
