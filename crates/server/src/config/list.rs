//! Lists: arrays in a TOML file, text separated by commas in an environment variable.

use std::fmt::Display;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

#[derive(Deserialize)]
#[serde(untagged)]
enum List {
    Array(Vec<String>),
    Commas(String),
}

/// Parses `["a", "b"]` or `"a, b"`.
pub(super) fn list<'de, D, T>(deserializer: D) -> Result<Vec<T>, D::Error>
where
    D: Deserializer<'de>,
    T: FromStr,
    T::Err: Display,
{
    let items = match List::deserialize(deserializer).map_err(|_| {
        D::Error::custom("not a list; write an array of strings, or in a variable text separated by commas")
    })? {
        List::Array(items) => items,
        List::Commas(text) => text.split(',').map(str::to_owned).collect(),
    };
    items
        .iter()
        .map(|item| {
            item.trim()
                .parse()
                .map_err(|e| D::Error::custom(format_args!("`{}`: {e}", item.trim())))
        })
        .collect()
}
