//! The statements that the tests of this crate executed, by database. Only for tests: [`crate::sql`]
//! and the batchers of PostgreSQL report each statement before they execute it.

#[cfg(feature = "conformance")]
mod plans;
#[cfg(feature = "conformance")]
mod sources;
#[cfg(feature = "conformance")]
mod tests;

use std::collections::BTreeMap;
use std::sync::Mutex;

use crate::sql::value::{Kind, Value};

pub(crate) static SQLITE: Recorder = Recorder::new();
pub(crate) static POSTGRES: Recorder = Recorder::new();

/// Collects each distinct text with the kinds of its arguments.
pub(crate) struct Recorder(Mutex<BTreeMap<String, Vec<Kind>>>);

impl Recorder {
    const fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    /// `args` are empty if the text itself states the types of its arguments.
    pub(crate) fn record(&self, sql: &str, args: &[Value<'_>]) {
        let mut recorded = self.0.lock().expect("no code panics while holding it");
        if !recorded.contains_key(sql) {
            let kinds = args.iter().map(|value| match *value {
                Value::Null(kind) => kind,
                Value::Integer(_) => Kind::Integer,
                Value::Text(_) => Kind::Text,
                Value::Blob(_) => Kind::Blob,
            });
            recorded.insert(sql.to_owned(), kinds.collect());
        }
    }

    #[cfg(feature = "conformance")]
    pub(crate) fn recorded(&self) -> Vec<(String, Vec<Kind>)> {
        let recorded = self.0.lock().expect("no code panics while holding it");
        recorded
            .iter()
            .map(|(sql, kinds)| (sql.clone(), kinds.clone()))
            .collect()
    }
}
