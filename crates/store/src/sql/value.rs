//! Arguments of statements: three kinds of values, borrowed from the types of the rules.
//!
//! Times are stored as Unix milliseconds, ids as 16 bytes, booleans as 1 and 0. Both databases know
//! these three kinds and order them alike, so one SQL text serves both.

use jiff::Timestamp;
use tm_auth_core::EmailAddress;
use tm_auth_core::email_code::{CodeMac, FlowId};
use tm_auth_core::secret::SecretHash;
use tm_auth_proto::{AccountId, KeyId, OrganizationId, SessionId};

/// An argument of a statement.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value<'a> {
    Null(Kind),
    Integer(i64),
    Text(&'a str),
    Blob(&'a [u8]),
}

/// PostgreSQL needs the type of a NULL.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Integer,
    Text,
    Blob,
}

/// The arguments of a statement, in the order of `?1`, `?2`, …
macro_rules! args {
    ($($value:expr),* $(,)?) => {
        &[$($crate::sql::value::AsValue::as_value(&$value)),*]
    };
}
pub(crate) use args;

/// A type that can be an argument.
pub(crate) trait AsValue {
    const KIND: Kind;
    fn as_value(&self) -> Value<'_>;
}

impl<T: AsValue> AsValue for Option<T> {
    const KIND: Kind = T::KIND;
    fn as_value(&self) -> Value<'_> {
        self.as_ref().map_or(Value::Null(T::KIND), T::as_value)
    }
}

impl<T: AsValue + ?Sized> AsValue for &T {
    const KIND: Kind = T::KIND;
    fn as_value(&self) -> Value<'_> {
        (**self).as_value()
    }
}

macro_rules! as_value {
    ($($type:ty: $kind:ident($this:ident => $value:expr)),+ $(,)?) => {
        $(impl AsValue for $type {
            const KIND: Kind = Kind::$kind;
            fn as_value(&self) -> Value<'_> {
                let $this = self;
                Value::$kind($value)
            }
        })+
    };
}

as_value! {
    i64: Integer(number => *number),
    u8: Integer(number => i64::from(*number)),
    u32: Integer(number => i64::from(*number)),
    bool: Integer(yes => i64::from(*yes)),
    Timestamp: Integer(at => at.as_millisecond()),
    str: Text(text => text),
    String: Text(text => text),
    EmailAddress: Text(address => address.as_str()),
    [u8]: Blob(bytes => bytes),
    Vec<u8>: Blob(bytes => bytes),
    AccountId: Blob(id => id.0.as_bytes()),
    KeyId: Blob(id => id.0.as_bytes()),
    OrganizationId: Blob(id => id.0.as_bytes()),
    SessionId: Blob(id => id.0.as_bytes()),
    SecretHash: Blob(hash => &hash.0),
    FlowId: Blob(id => &id.0),
    CodeMac: Blob(mac => &mac.0),
}

impl<const N: usize> AsValue for [u8; N] {
    const KIND: Kind = Kind::Blob;
    fn as_value(&self) -> Value<'_> {
        Value::Blob(self)
    }
}
