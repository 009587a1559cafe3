//! The key file on disk.
//!
//! A file is written whole or not at all: its content goes to a temporary file beside it (mode 0600 from
//! its first byte), reaches the disk, and is then renamed into place.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use tm_auth_proto::KeyFile;
use zeroize::Zeroizing;

/// A key file is a few hundred bytes; anything much longer is some other file.
const MAX_LEN: u64 = 64 * 1024;

/// Reads a key file. A file that others on this machine can read is loaded with a warning in the log.
pub fn load(path: impl AsRef<Path>) -> Result<KeyFile, KeyFileError> {
    let path = path.as_ref();
    let failed = |source| KeyFileError::read(path, source);
    let file = File::open(path).map_err(failed)?;
    warn_if_exposed(path, &file);
    // Room for all of it at once: a growing buffer would leave copies of the private key behind.
    let length = file.metadata().map_err(failed)?.len().min(MAX_LEN);
    let mut content = Zeroizing::new(Vec::with_capacity(usize::try_from(length).unwrap_or(0) + 1));
    file.take(MAX_LEN + 1).read_to_end(&mut content).map_err(failed)?;
    parse(path, &content)
}

/// Writes a new key file with mode 0600. Never overwrites: a key file may be the only copy of a key.
pub fn create(path: impl AsRef<Path>, key: &KeyFile) -> Result<(), KeyFileError> {
    let path = path.as_ref();
    // Taking the name first makes "not there" and "now ours" one step.
    new_private_file(path).map_err(|source| KeyFileError::write(path, source))?;
    replace(path, key).inspect_err(|_| {
        // The name was taken by this call and holds nothing.
        fs::remove_file(path).ok();
    })
}

/// Puts `key` in the place of the file at `path`, which may or may not exist, with mode 0600.
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

/// Why a key file could not be read or written. No message shows any of the file's content.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file system refused to hand it out.
    #[error("cannot read the key file {}: {source}", path.display())]
    Read {
        /// The key file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file system refused to take it.
    #[error("cannot write the key file {}: {source}", path.display())]
    Write {
        /// The key file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It was read, but it is no key file.
    #[error("{} is not a key file: {reason}", path.display())]
    NotAKeyFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
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
    let not = |reason: String| KeyFileError::NotAKeyFile {
        path: path.to_owned(),
        reason,
    };
    if content.len() as u64 > MAX_LEN {
        return Err(not("it is longer than 64 KB".to_owned()));
    }
    if content.trim_ascii_start().starts_with(b"-----BEGIN") {
        return Err(not(
            "it is a PEM file; the JSON file that `tm-auth key new` or the API Keys page made is wanted"
                .to_owned(),
        ));
    }
    // serde's own message may quote the value it stumbled over, and that may be the private key.
    serde_json::from_slice(content).map_err(|error| {
        let what = if error.is_data() {
            "a member is missing or of the wrong type"
        } else {
            "it is not JSON"
        };
        not(format!(
            "{what} (line {}, column {})",
            error.line(),
            error.column()
        ))
    })
}

/// Files of existing users may have any mode, so this is a warning and no refusal.
#[cfg(unix)]
fn warn_if_exposed(path: &Path, file: &File) {
    use std::os::unix::fs::PermissionsExt;
    let Ok(metadata) = file.metadata() else { return };
    let mode = metadata.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        tracing::warn!(
            path = %path.display(),
            mode = format!("{mode:04o}"),
            "other users of this machine may read the key file; `chmod 600` it"
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

/// A new file in the same directory, since only there a rename is atomic.
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
            // Left behind by a crash, or another thread is writing the same file.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < 16 => attempt += 1,
            other => return other.map(|file| (temporary, file)),
        }
    }
}

/// Makes the rename itself durable where the system can. The content is on disk already, so a failure here
/// is no failure of the write.
fn sync_directory(path: &Path) {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    if let Ok(directory) = File::open(directory) {
        directory.sync_all().ok();
    }
}
