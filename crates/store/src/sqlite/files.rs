//! The files of a database: their names, their modes, and that no symbolic link is followed.

use std::fs::{File, OpenOptions, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::{Result, StoreError};

/// What SQLite appends to the name of a database for its write-ahead log, its shared memory and its
/// rollback journal.
pub(super) const SIDE_FILES: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Returns the path with a text behind the name.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Returns the path with its folder resolved. Only the last part can still be a symbolic link, and
/// `SQLITE_OPEN_NOFOLLOW` refuses that.
pub(super) fn in_real_folder(path: &Path) -> Result<PathBuf> {
    let name = path.file_name().ok_or_else(|| {
        StoreError::unusable(format!("{} names a folder: name a file in it", path.display()))
    })?;
    let folder = folder(path)
        .canonicalize()
        .map_err(|error| cannot_open(path, error))?;
    Ok(folder.join(name))
}

/// Returns the folder of a file.
pub(super) fn folder(path: &Path) -> &Path {
    path.parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

/// Creates the file with mode 0600, before SQLite creates it with the default mode.
///
/// Does not open an existing file. POSIX locks belong to the process, so closing any descriptor of
/// the file would release the locks that SQLite has through another one.
pub(super) fn create_database(path: &Path) -> Result<()> {
    refuse_links(path)?;
    if !exists(path)
        && let Some(wal) = Some(beside(path, "-wal")).filter(|wal| exists(wal))
    {
        return Err(StoreError::unusable(format!(
            "{} is there, but its database {} is not: put the database back, or restore a backup with `tm-auth restore BACKUP`",
            wal.display(),
            path.display()
        )));
    }
    match private().create_new(true).open(path) {
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(cannot_open(path, error)),
        _ => close_to_others(path),
    }
}

/// Creates a new file with mode 0600. Fails if there is one, or a symbolic link, or a file that
/// SQLite would take for its log.
pub(super) fn create_new(path: &Path) -> Result<File> {
    for suffix in SIDE_FILES {
        let side = beside(path, suffix);
        if exists(&side) {
            return Err(StoreError::unusable(format!(
                "{} exists already and would be taken for a part of {}: move it away, or choose another name",
                side.display(),
                path.display()
            )));
        }
    }
    private()
        .create_new(true)
        .open(path)
        .map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => {
                StoreError::unusable(format!("{} exists already: choose another name", path.display()))
            }
            _ => cannot_open(path, error),
        })
}

/// Opens a file that is only locked, and creates it with mode 0600 if it does not exist.
pub(super) fn open_lock(path: &Path) -> Result<File> {
    refuse_link(path)?;
    let file = private()
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(|error| cannot_open(path, error))?;
    close_one(path)?;
    Ok(file)
}

/// Whether there is a file or a link of this name.
pub(super) fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

/// Refuses a database that is a symbolic link, or has one beside it where SQLite writes.
pub(super) fn refuse_links(path: &Path) -> Result<()> {
    refuse_link(path)?;
    SIDE_FILES
        .iter()
        .try_for_each(|suffix| refuse_link(&beside(path, suffix)))
}

fn refuse_link(path: &Path) -> Result<()> {
    match path.symlink_metadata() {
        Ok(there) if !there.is_file() => {
            let kind = if there.is_symlink() {
                "a symbolic link"
            } else {
                "not a regular file"
            };
            Err(StoreError::unusable(format!(
                "{} is {kind}: name the file itself",
                path.display()
            )))
        }
        Ok(_) => Ok(()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(cannot_open(path, error)),
    }
}

/// Takes the database and the files beside it away from group and others. A volume of Kubernetes
/// with `fsGroup` opens them again at each start, so this repairs the mode and does not refuse it.
pub(super) fn close_to_others(path: &Path) -> Result<()> {
    close_one(path)?;
    SIDE_FILES
        .iter()
        .try_for_each(|suffix| close_one(&beside(path, suffix)))
}

fn close_one(path: &Path) -> Result<()> {
    let Some(mode) = exposed(path) else { return Ok(()) };
    std::fs::set_permissions(path, Permissions::from_mode(0o600)).map_err(|error| {
        StoreError::cannot(
            format_args!(
                "take {} (mode {mode:03o}) away from other users; its owner must run `chmod 600`",
                path.display()
            ),
            error,
        )
    })?;
    tracing::warn!(
        mode = format!("{mode:03o}"),
        "other users could open a file of the database; its mode is 600 now"
    );
    Ok(())
}

/// Returns the mode of a file that group or others can open.
fn exposed(path: &Path) -> Option<u32> {
    let mode = path.symlink_metadata().ok()?.permissions().mode() & 0o7777;
    (mode & 0o077 != 0).then_some(mode)
}

/// Returns the files of a database that group or others can open, with their modes.
pub(super) fn exposed_files(path: &Path) -> Vec<(PathBuf, u32)> {
    [""].iter()
        .chain(&SIDE_FILES)
        .map(|suffix| beside(path, suffix))
        .filter_map(|path| exposed(&path).map(|mode| (path, mode)))
        .collect()
}

/// Makes the names of a folder durable.
pub(super) fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(|error| StoreError::cannot(format_args!("write {} to the disk", folder.display()), error))
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).write(true).mode(0o600);
    options
}

pub(super) fn cannot_open(path: &Path, error: std::io::Error) -> StoreError {
    StoreError::cannot(format_args!("open {}", path.display()), error)
}
