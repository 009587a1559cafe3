//! A value of a row, in the database and in a file.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value as Json;

use crate::sql::Columns;
use crate::sql::value::{AsValue, Kind, Value};
use crate::{Result, StoreError};

/// A value of a row.
pub(super) enum Cell {
    Null(Kind),
    Integer(i64),
    Text(String),
    Blob(Vec<u8>),
}

impl Cell {
    pub(super) fn read(columns: &mut Columns<'_>, kind: Kind) -> Result<Self> {
        let cell = match kind {
            Kind::Integer => columns.next::<Option<_>>()?.map(Self::Integer),
            Kind::Text => columns.next::<Option<_>>()?.map(Self::Text),
            Kind::Blob => columns.next::<Option<_>>()?.map(Self::Blob),
        };
        Ok(cell.unwrap_or(Self::Null(kind)))
    }

    /// Encodes bytes as base64url without padding.
    pub(super) fn to_json(&self) -> Json {
        match self {
            Self::Null(_) => Json::Null,
            Self::Integer(number) => Json::from(*number),
            Self::Text(text) => Json::from(text.as_str()),
            Self::Blob(bytes) => Json::from(URL_SAFE_NO_PAD.encode(bytes)),
        }
    }

    pub(super) fn from_json(json: Json, kind: Kind) -> Result<Self> {
        let cell = match (kind, json) {
            (_, Json::Null) => Some(Self::Null(kind)),
            (Kind::Integer, Json::Number(number)) => number.as_i64().map(Self::Integer),
            (Kind::Text, Json::String(text)) => Some(Self::Text(text)),
            (Kind::Blob, Json::String(text)) => URL_SAFE_NO_PAD.decode(text).ok().map(Self::Blob),
            _ => None,
        };
        cell.ok_or_else(|| StoreError::unusable(format!("the file has a value that is not {kind:?}")))
    }

    pub(super) fn value(&self) -> Value<'_> {
        match self {
            Self::Null(kind) => Value::Null(*kind),
            Self::Integer(number) => Value::Integer(*number),
            Self::Text(text) => text.as_value(),
            Self::Blob(bytes) => bytes.as_value(),
        }
    }
}
