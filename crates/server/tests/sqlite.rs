//! Runs the service's tests on SQLite.

#[path = "it/mod.rs"]
mod sqlite;

use sqlite::{captured_log, key_forms, signature_forms, support};

const DATABASE: support::Database = support::Database::Sqlite;
