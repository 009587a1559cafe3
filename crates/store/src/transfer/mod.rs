//! Moving a deployment from one database to another: `tm-auth export` and `tm-auth import`.
//!
//! 1. [`Store::export`] reads every table in one snapshot and writes a file: a header, then for
//!    each table its rows in the order of their keys, and a line with their number and SHA-256.
//! 2. [`Store::import`] accepts an empty database only. In one transaction it inserts the rows,
//!    reads them back as an export would, and commits only if number and checksum of every table
//!    match the file.
//!
//! Like the database, the file contains no secret that is usable without the key-encryption key.

mod cell;
mod file;
mod rows;
mod tables;
#[cfg(all(test, feature = "conformance"))]
mod tests;

use std::path::Path;

use jiff::Timestamp;
use tm_auth_core::EmailAddress;
use tm_auth_proto::Environment;

use crate::sql::{Engine, Tx, account, args, audit, setting};
use crate::{AuditAction, AuditContext, Result, Store, StoreError};
use rows::Checked;
pub(crate) use rows::walk;
pub(crate) use tables::{TABLES, Table};

/// The contents of an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Contents {
    /// Environment of the deployment.
    pub environment: Environment,
    /// When the file was written.
    pub at: Timestamp,
    /// The tables, in the order of the file.
    pub tables: Vec<TableContents>,
}

/// The rows of a table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableContents {
    /// Name of the table.
    pub name: String,
    /// Number of rows.
    pub rows: u64,
    /// SHA-256 over the rows in the file, hexadecimal.
    pub sha256: String,
}

impl Store {
    /// Writes all tables to a new file with mode 0600. The service can keep running; what it writes
    /// later is not in the file.
    pub async fn export(&self, target: &Path, at: Timestamp) -> Result<Contents> {
        let file = file::create(target)?;
        let written = self
            .snapshot(async move |tx| export(tx, file::Writer::new(&file)?, at).await)
            .await;
        if written.is_err() {
            // Remove the incomplete file. If that fails, report the first error.
            let _ = std::fs::remove_file(target);
        }
        written
    }

    /// Fills an empty database from a file. Changes nothing if the file is incomplete or its
    /// checksums differ.
    pub async fn import(
        &self,
        source: &Path,
        environment: Environment,
        audit_context: &AuditContext,
    ) -> Result<Contents> {
        let (source, audit_context) = (source.to_owned(), audit_context.clone());
        let restarts_numbers = matches!(self.engine, Engine::Postgres(_));
        self.write(async move |tx| {
            let contents = import(tx, file::Reader::open(&source)?, environment).await?;
            let detail = format!("written at {}", contents.at);
            if restarts_numbers {
                restart_numbers(tx).await?;
            }
            audit::note(
                tx,
                &audit_context,
                AuditAction::DatabaseImported,
                None,
                None,
                None,
                Some(&detail),
            )
            .await?;
            Ok(contents)
        })
        .await
    }
}

async fn export(tx: &mut Tx<'_>, mut file: file::Writer<'_>, at: Timestamp) -> Result<Contents> {
    let environment = environment(tx).await?;
    file.header(environment, at)?;
    let mut tables = Vec::new();
    for table in TABLES {
        file.begin(table.name)?;
        let mut checked = Checked::default();
        rows::read(tx, table, |line| {
            checked.add(line);
            file.row(line)
        })
        .await?;
        let contents = checked.of(table);
        file.end(&contents)?;
        tables.push(contents);
    }
    file.finish()?;
    Ok(Contents {
        environment,
        at,
        tables,
    })
}

async fn import(tx: &mut Tx<'_>, mut file: file::Reader, expected: Environment) -> Result<Contents> {
    refuse_filled(tx).await?;
    let (environment, at) = file.header()?;
    if environment != expected {
        return Err(StoreError::unusable(format!(
            "the file is of the {environment} environment, but the configuration says {expected}"
        )));
    }
    let mut tables = Vec::new();
    for table in TABLES {
        file.begin(table.name)?;
        let promised = rows::write(tx, table, &mut file).await?;
        // Compares what the database now contains.
        let mut checked = Checked::default();
        rows::read(tx, table, |line| {
            checked.add(line);
            Ok(())
        })
        .await?;
        let found = checked.of(table);
        if found != promised {
            return Err(StoreError::unusable(format!(
                "{}: the file promises {} rows with checksum {}, but the database has {} with {}",
                table.name, promised.rows, promised.sha256, found.rows, found.sha256
            )));
        }
        tables.push(found);
    }
    file.finish()?;
    refuse_unreachable(tx).await?;
    Ok(Contents {
        environment,
        at,
        tables,
    })
}

/// Refuses an account whose address is not in its one form: no login would find the account.
async fn refuse_unreachable(tx: &mut Tx<'_>) -> Result<()> {
    for account in account::all(tx).await? {
        let Some(email) = &account.email else { continue };
        let canonical = EmailAddress::parse(email).map(String::from);
        if canonical.as_ref() != Ok(email) {
            let wanted = canonical.unwrap_or_else(|refusal| refusal.to_string());
            return Err(StoreError::unusable(format!(
                "accounts: the address of {} is {email:?}, but must be in its normal form ({wanted}); correct it in the old database and export it again",
                account.uid
            )));
        }
    }
    Ok(())
}

async fn environment(tx: &mut Tx<'_>) -> Result<Environment> {
    let nothing = || StoreError::unusable("the database belongs to no environment yet: it is empty");
    let bound = setting::get(tx, "environment").await?.ok_or_else(nothing)?;
    bound
        .parse()
        .map_err(|_| StoreError::damaged(format!("unknown environment {bound}")))
}

async fn refuse_filled(tx: &mut Tx<'_>) -> Result<()> {
    for table in TABLES {
        let sql = format!("SELECT 1 FROM {} LIMIT 1", table.name);
        if tx.exists(&sql, args![]).await? {
            return Err(StoreError::unusable(format!(
                "the database is not empty: {} has rows; create an empty one and run `tm-auth migrate` on it",
                table.name
            )));
        }
    }
    Ok(())
}

/// Continues the numbering after the imported rows, which PostgreSQL's numbering does not see.
async fn restart_numbers(tx: &mut Tx<'_>) -> Result<()> {
    for Table { name, .. } in TABLES.iter().filter(|table| table.is_numbered) {
        let sql = format!("SELECT coalesce(max(id), 0) + 1 FROM {name}");
        let next: i64 = tx.value(&sql, args![]).await?;
        let sql = format!("ALTER TABLE {name} ALTER COLUMN id RESTART WITH {next}");
        tx.execute(&sql, args![]).await?;
    }
    Ok(())
}
