//! Rows that statements return, and how columns become the types of the rules.

use std::error::Error;
use std::str::FromStr;

use jiff::Timestamp;
use sqlx::Row as _;
use sqlx::postgres::PgRow;
use tm_auth_core::secret::SecretHash;
use tm_auth_proto::{AccountId, KeyId, OrganizationId, SessionId};
use uuid::Uuid;

use crate::{Result, StoreError};

/// A row of either database.
pub(crate) enum Row {
    Sqlite(Vec<rusqlite::types::Value>),
    Postgres(PgRow),
}

/// The value of a column.
enum Column<'r> {
    Null,
    Integer(i64),
    Text(&'r str),
    Blob(&'r [u8]),
}

/// A cursor over the columns of a row, in the order of the statement.
pub(crate) struct Columns<'r> {
    row: &'r Row,
    next: usize,
}

impl<'r> Columns<'r> {
    /// Returns the next column. A value that no version of this program writes is
    /// [`StoreError::Damaged`].
    pub(crate) fn next<T: FromColumn<'r>>(&mut self) -> Result<T> {
        let column = self.row.column(self.next)?;
        self.next += 1;
        T::from_column(column)
    }

    /// Whether the next column is NULL. Does not move the cursor.
    pub(crate) fn next_is_null(&self) -> Result<bool> {
        Ok(matches!(self.row.column(self.next)?, Column::Null))
    }
}

/// Reads a row of one column.
pub(crate) fn only<T: for<'r> FromColumn<'r>>(columns: &mut Columns<'_>) -> Result<T> {
    columns.next()
}

impl Row {
    pub(crate) fn columns(&self) -> Columns<'_> {
        Columns { row: self, next: 0 }
    }

    fn column(&self, index: usize) -> Result<Column<'_>> {
        match self {
            Self::Sqlite(values) => match values.get(index) {
                Some(rusqlite::types::Value::Null) => Ok(Column::Null),
                Some(rusqlite::types::Value::Integer(number)) => Ok(Column::Integer(*number)),
                Some(rusqlite::types::Value::Text(text)) => Ok(Column::Text(text)),
                Some(rusqlite::types::Value::Blob(bytes)) => Ok(Column::Blob(bytes)),
                Some(rusqlite::types::Value::Real(_)) => Err(damaged("a floating-point number in a column")),
                None => Err(damaged(format!("no column {index}"))),
            },
            Self::Postgres(row) => postgres_column(row, index).map_err(damaged),
        }
    }
}

fn postgres_column(row: &PgRow, index: usize) -> sqlx::Result<Column<'_>> {
    use sqlx::{Column as _, TypeInfo};
    let column = match row.try_column(index)?.type_info().name() {
        "TEXT" | "VARCHAR" => row.try_get::<Option<&str>, _>(index)?.map(Column::Text),
        "BYTEA" => row.try_get::<Option<&[u8]>, _>(index)?.map(Column::Blob),
        "INT4" => row
            .try_get::<Option<i32>, _>(index)?
            .map(|number| Column::Integer(number.into())),
        // Fails for all other types.
        _ => row.try_get::<Option<i64>, _>(index)?.map(Column::Integer),
    };
    Ok(column.unwrap_or(Column::Null))
}

/// A type that can be read from a column.
pub(crate) trait FromColumn<'r>: Sized {
    #[expect(private_interfaces, reason = "columns stay private to this module")]
    fn from_column(column: Column<'r>) -> Result<Self>;
}

macro_rules! from_column {
    ($($type:ty: $kind:ident($value:ident) => $read:expr),+ $(,)?) => {
        $(impl<'r> FromColumn<'r> for $type {
            #[expect(private_interfaces, reason = "columns stay private to this module")]
            fn from_column(column: Column<'r>) -> Result<Self> {
                match column {
                    Column::$kind($value) => $read,
                    _ => Err(damaged(concat!("a value that is not of type ", stringify!($type)))),
                }
            }
        })+
    };
}

from_column! {
    i64: Integer(number) => Ok(number),
    u8: Integer(number) => number.try_into().map_err(damaged),
    u32: Integer(number) => number.try_into().map_err(damaged),
    u64: Integer(number) => number.try_into().map_err(damaged),
    bool: Integer(number) => Ok(number != 0),
    Timestamp: Integer(number) => Timestamp::from_millisecond(number).map_err(damaged),
    String: Text(text) => Ok(text.to_owned()),
    &'r str: Text(text) => Ok(text),
    Vec<u8>: Blob(bytes) => Ok(bytes.to_owned()),
    &'r [u8]: Blob(bytes) => Ok(bytes),
    AccountId: Blob(bytes) => uuid(bytes).map(Self),
    KeyId: Blob(bytes) => uuid(bytes).map(Self),
    OrganizationId: Blob(bytes) => uuid(bytes).map(Self),
    SessionId: Blob(bytes) => uuid(bytes).map(Self),
    SecretHash: Blob(bytes) => bytes.try_into().map(Self).map_err(damaged),
}

impl<'r, const N: usize> FromColumn<'r> for [u8; N] {
    #[expect(private_interfaces, reason = "columns stay private to this module")]
    fn from_column(column: Column<'r>) -> Result<Self> {
        let bytes = <&[u8]>::from_column(column)?;
        bytes
            .try_into()
            .map_err(|_| damaged(format!("{} bytes instead of {N}", bytes.len())))
    }
}

impl<'r, T: FromColumn<'r>> FromColumn<'r> for Option<T> {
    #[expect(private_interfaces, reason = "columns stay private to this module")]
    fn from_column(column: Column<'r>) -> Result<Self> {
        match column {
            Column::Null => Ok(None),
            column => T::from_column(column).map(Some),
        }
    }
}

pub(super) fn uuid(bytes: &[u8]) -> Result<Uuid> {
    Uuid::from_slice(bytes).map_err(damaged)
}

/// Parses a type that is stored as text, such as an address.
pub(super) fn parse<T: FromStr<Err: Error + Send + Sync + 'static>>(text: &str) -> Result<T> {
    text.parse().map_err(damaged)
}

pub(crate) fn damaged(cause: impl Into<Box<dyn Error + Send + Sync>>) -> StoreError {
    StoreError::damaged(cause)
}
