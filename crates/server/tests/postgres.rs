//! Runs the service's tests on PostgreSQL, the same as on SQLite.

#[path = "it/mod.rs"]
mod postgres;

use postgres::{captured_log, key_forms, signature_forms, support};

const DATABASE: support::Database = support::Database::Postgres;
