//! Puts a backup in the place of the database.
//!
//! 1. The backup is copied to `NAME.restoring`, checked, and marked as recovered.
//! 2. `NAME.restoring` becomes `NAME.restore-TIME`. From here on every open is refused.
//! 3. The old database and what SQLite keeps beside it become `NAME.before-restore-TIME`, with the
//!    same suffixes. Nothing of them is left beside the new database: SQLite would replay an old
//!    `-wal` onto it.
//! 4. `NAME.restore-TIME` becomes `NAME`.
//!
//! A crash before step 2 leaves the old database as it was. After one behind it, every open is
//! refused until the command ran again and completed the steps. No step deletes a database.

use std::fs::File;
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use rusqlite::Connection;
use tm_auth_core::signing::StoredSigningKey;
use tm_auth_proto::Environment;

use super::files::{self, SIDE_FILES, beside};
use super::{integrity, lock, open_existing, poll_ready, run, schema};
use crate::error::Chain;
use crate::sql::{Tx, check, restored};
use crate::{AuditContext, Result, StoreError};

const NEW: &str = ".restoring";
const READY: &str = ".restore-";
const OLD: &str = ".before-restore-";

/// What to restore, and what it must be.
#[derive(Clone, Debug)]
pub struct RestoreOptions {
    /// The file of the database.
    pub path: PathBuf,
    /// The file that `tm-auth backup` wrote.
    pub backup: PathBuf,
    /// The environment of the configuration.
    pub environment: Environment,
    /// Challenges that were signed before are refused.
    pub recovered_at: Timestamp,
    /// Who restores, and when.
    pub audit_context: AuditContext,
}

/// What a restore did.
#[derive(Clone, Debug)]
pub struct Restored {
    /// Where the files of the old database are now. Empty if there were none.
    pub set_aside: Vec<PathBuf>,
    /// The time of the backup's last entry in the audit trail, before the restore.
    pub last_entry_at: Option<Timestamp>,
    /// The signing keys of the backup.
    pub signing_keys: Vec<StoredSigningKey>,
}

/// A step that is done, for tests that fail behind each.
pub(super) type Step<'s> = &'s mut dyn FnMut(&str) -> Result<()>;

/// Puts the backup in the place of the database. Fails without a change if a server or a command
/// uses the database, if the backup is damaged or of another program or environment, or if
/// `check_keys` refuses its signing keys.
pub fn restore(
    options: &RestoreOptions,
    check_keys: impl FnOnce(&[StoredSigningKey]) -> Result<(), String>,
) -> Result<Restored> {
    in_steps(options, check_keys, &mut |_| Ok(()))
}

pub(super) fn in_steps(
    options: &RestoreOptions,
    check_keys: impl FnOnce(&[StoredSigningKey]) -> Result<(), String>,
    done: Step<'_>,
) -> Result<Restored> {
    lock::refuse_network_filesystem(&options.path)?;
    let path = files::in_real_folder(&options.path)?;
    files::refuse_links(&path)?;
    refuse_part(&options.backup, &path)?;
    // Both are held until the new database is in place. A server of an older version has one only.
    let _alone = lock::InUse::alone(&path, lock::LOCK_WAIT)?;
    let _server = lock::ServerLock::take(&path, lock::LOCK_WAIT)?;

    let new = beside(&path, NEW);
    remove_own_copy(&new)?;
    copy(&options.backup, &new)?;
    done("copied")?;
    let (last_entry_at, signing_keys) = checked(&new, options, check_keys).inspect_err(|_| {
        // The copy is of no use. If this fails, the next run removes it.
        let _ = remove_own_copy(&new);
    })?;
    done("checked and marked")?;

    let folder = files::folder(&path);
    let time = match interrupted(&path)? {
        Some(time) => time,
        None => unused_time(&path, options.audit_context.at),
    };
    let ready = beside(&path, &format!("{READY}{time}"));
    rename(&new, &ready)?;
    files::sync_folder(folder)?;
    done("ready")?;
    let old = beside(&path, &format!("{OLD}{time}"));
    for suffix in SIDE_FILES.iter().chain(&[""]) {
        let (from, to) = (beside(&path, suffix), beside(&old, suffix));
        if files::exists(&from) {
            if files::exists(&to) {
                return Err(StoreError::unusable(format!(
                    "{} exists already: move it to another folder and run the command again",
                    to.display()
                )));
            }
            rename(&from, &to)?;
            done("set aside")?;
        }
    }
    files::sync_folder(folder)?;
    rename(&ready, &path)?;
    files::sync_folder(folder)?;
    done("in place")?;
    let set_aside = [""].iter().chain(&SIDE_FILES).map(|suffix| beside(&old, suffix));
    Ok(Restored {
        set_aside: set_aside.filter(|path| files::exists(path)).collect(),
        last_entry_at,
        signing_keys,
    })
}

/// Fails if a restore of this database did not end.
pub(super) fn refuse_interrupted(path: &Path) -> Result<()> {
    match interrupted(path)? {
        None => Ok(()),
        Some(_) => Err(StoreError::unusable(format!(
            "a restore of {} was interrupted: run `tm-auth restore BACKUP` again, which completes it",
            path.display()
        ))),
    }
}

/// The time in the name of a copy that waits to be put in place.
fn interrupted(path: &Path) -> Result<Option<String>> {
    let folder = files::folder(path);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let prefix = format!("{name}{READY}");
    let unreadable = |error| StoreError::cannot(format_args!("read the folder {}", folder.display()), error);
    for entry in std::fs::read_dir(folder).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        // A copy has nothing beside it: the check closed it.
        if let Some(time) = name.to_string_lossy().strip_prefix(&prefix) {
            return Ok(Some(time.to_owned()));
        }
    }
    Ok(None)
}

/// The time for the names of a restore. A second restore in the same second gets a number too.
fn unused_time(path: &Path, at: Timestamp) -> String {
    let time = at.strftime("%Y%m%dT%H%M%SZ").to_string();
    let is_used = |time: &str| {
        let old = beside(path, &format!("{OLD}{time}"));
        let mut suffixes = SIDE_FILES.iter().chain(&[""]);
        suffixes.any(|suffix| files::exists(&beside(&old, suffix)))
    };
    let numbered = (2..).map(|number| format!("{time}-{number}"));
    let mut names = std::iter::once(time.clone()).chain(numbered);
    names.find(|time| !is_used(time)).unwrap_or(time)
}

/// Refuses a backup that is the database itself, or only a part of one.
fn refuse_part(backup: &Path, path: &Path) -> Result<()> {
    let real = backup
        .canonicalize()
        .map_err(|error| files::cannot_open(backup, error))?;
    if real == path {
        return Err(StoreError::unusable(format!(
            "{} is the database itself: name a file that `tm-auth backup` wrote",
            backup.display()
        )));
    }
    for suffix in ["-wal", "-journal"] {
        let side = beside(&real, suffix);
        if side.metadata().is_ok_and(|side| side.len() > 0) {
            return Err(StoreError::unusable(format!(
                "{} belongs to {} and would be lost: restore a file that `tm-auth backup` wrote, which is a single one",
                side.display(),
                backup.display()
            )));
        }
    }
    Ok(())
}

/// Removes what an earlier run copied. It is a copy of a backup, never a database that was served.
fn remove_own_copy(new: &Path) -> Result<()> {
    for suffix in SIDE_FILES.iter().chain(&[""]) {
        let path = beside(new, suffix);
        if files::exists(&path) {
            std::fs::remove_file(&path)
                .map_err(|error| StoreError::cannot(format_args!("remove {}", path.display()), error))?;
        }
    }
    Ok(())
}

fn copy(backup: &Path, new: &Path) -> Result<()> {
    let mut source = File::open(backup).map_err(|error| files::cannot_open(backup, error))?;
    let mut target = files::create_new(new)?;
    std::io::copy(&mut source, &mut target)
        .and_then(|_| target.sync_all())
        .map_err(|error| StoreError::cannot(format_args!("copy {}", backup.display()), error))
}

/// Checks the copy, marks it as recovered, and leaves it as one file on the disk.
fn checked(
    new: &Path,
    options: &RestoreOptions,
    check_keys: impl FnOnce(&[StoredSigningKey]) -> Result<(), String>,
) -> Result<(Option<Timestamp>, Vec<StoredSigningKey>)> {
    let refused = |error: StoreError| {
        StoreError::unusable(format!(
            "the backup {} cannot be restored: {}",
            options.backup.display(),
            Chain(&error)
        ))
    };
    let mut connection = open_existing(new)?;
    let found = inspect(&mut connection, options).map_err(refused)?;
    check_keys(&found.1).map_err(|problem| refused(StoreError::unusable(problem)))?;
    mark(&mut connection, options).map_err(refused)?;
    connection.close().map_err(|(_, error)| StoreError::from(error))?;
    File::open(new)
        .and_then(|new| new.sync_all())
        .map_err(|error| StoreError::cannot(format_args!("write {} to the disk", new.display()), error))?;
    Ok(found)
}

fn inspect(
    connection: &mut Connection,
    options: &RestoreOptions,
) -> Result<(Option<Timestamp>, Vec<StoredSigningKey>)> {
    schema::refuse_foreign(connection)?;
    // So that the copy stays one file.
    connection.pragma_update(None, "journal_mode", "delete")?;
    integrity::full(connection)?;
    if schema::version(connection)? == 0 {
        return Err(StoreError::unusable(
            "its schema has version 0: it has no tables of tm-auth",
        ));
    }
    schema::migrate(connection)?;
    schema::check(connection)?;
    let environment = options.environment;
    poll_ready(async {
        let tx = &mut Tx::sqlite(connection);
        restored::require_environment(tx, environment).await?;
        check::every_row(tx).await?;
        restored::contents(tx).await
    })
}

fn mark(connection: &mut Connection, options: &RestoreOptions) -> Result<()> {
    run(connection, "BEGIN IMMEDIATE")?;
    poll_ready(restored::mark(
        &mut Tx::sqlite(connection),
        options.recovered_at,
        &options.audit_context,
    ))?;
    run(connection, "COMMIT")
}

fn rename(from: &Path, to: &Path) -> Result<()> {
    std::fs::rename(from, to).map_err(|error| {
        StoreError::cannot(
            format_args!("rename {} to {}", from.display(), to.display()),
            error,
        )
    })
}
