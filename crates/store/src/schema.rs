//! What the schemas of both databases have in common: how a migration is described, and when a
//! binary refuses a schema.
//!
//! The table `schema_migrations` records each migration. An export leaves it out, because it
//! describes the database and not the deployment.

use std::collections::HashSet;

use crate::transfer::TABLES;
use crate::{Result, StoreError};

/// A step of the schema.
#[derive(Clone, Copy)]
pub(crate) struct Migration {
    pub(crate) name: &'static str,
    pub(crate) sql: &'static str,
    /// A binary works on the schema if it knows at least this many migrations. Higher than before
    /// if the migration takes something away that older binaries use.
    pub(crate) min_compatible: i64,
}

/// What a database records about its schema.
#[derive(Clone, Copy)]
pub(crate) struct Recorded {
    /// Number of migrations that were run.
    pub(crate) version: i64,
    /// The highest `min_compatible` of these.
    pub(crate) min_compatible: i64,
}

impl Recorded {
    /// Refuses a schema that this binary is too old for.
    pub(crate) fn check(self, known: &[Migration]) -> Result<()> {
        if usize::try_from(self.min_compatible).is_ok_and(|needed| needed <= known.len()) {
            return Ok(());
        }
        Err(StoreError::unusable(format!(
            "the schema of the database has version {} and needs a tm-auth that knows version {}, but this is tm-auth {}, which knows {}; install the newer tm-auth again, or restore a backup from before the migration",
            self.version,
            self.min_compatible,
            env!("CARGO_PKG_VERSION"),
            known.len(),
        )))
    }
}

/// Refuses a schema that lacks a table or a column that the code uses. `found` has the table and the
/// name of every column.
pub(crate) fn check_columns(found: &HashSet<(String, String)>) -> Result<()> {
    for table in TABLES {
        for (column, _) in table.columns {
            if found.contains(&(table.name.to_owned(), (*column).to_owned())) {
                continue;
            }
            let missing = if found.iter().any(|(name, _)| name == table.name) {
                format!("the table {} has no column {column}", table.name)
            } else {
                format!("there is no table {}", table.name)
            };
            return Err(StoreError::unusable(format!(
                "the schema of the database is not the one that tm-auth {} needs: {missing}; another program or a person changed it, so restore it from a backup or undo the change",
                env!("CARGO_PKG_VERSION"),
            )));
        }
    }
    Ok(())
}
