//! Between SQL values and the types of the rules.

use std::fmt::Display;
use std::str::FromStr;

use jiff::Timestamp;
use tm_auth_proto::{AccountId, KeyId, OrganizationId, SessionId};
use uuid::Uuid;

use crate::{Result, StoreError};

/// Milliseconds, as times are stored.
pub(super) fn ms(at: Timestamp) -> i64 {
    at.as_millisecond()
}

pub(super) fn opt_ms(at: Option<Timestamp>) -> Option<i64> {
    at.map(ms)
}

pub(super) fn time(ms: i64) -> Result<Timestamp> {
    Timestamp::from_millisecond(ms).map_err(damaged)
}

pub(super) fn opt_time(ms: Option<i64>) -> Result<Option<Timestamp>> {
    ms.map(time).transpose()
}

pub(super) fn parse<T: FromStr<Err: Display>>(text: &str) -> Result<T> {
    text.parse().map_err(damaged)
}

pub(super) fn bytes<const N: usize>(blob: Vec<u8>) -> Result<[u8; N]> {
    blob.try_into()
        .map_err(|blob: Vec<u8>| damaged(format!("{} bytes where {N} belong", blob.len())))
}

pub(super) fn damaged(error: impl Display) -> StoreError {
    StoreError::Damaged(error.to_string())
}

/// Ids travel as 16 bytes.
pub(super) trait Id {
    fn blob(&self) -> &[u8];
    fn from_uuid(uuid: Uuid) -> Self;
}

macro_rules! id {
    ($($name:ident),+) => {
        $(impl Id for $name {
            fn blob(&self) -> &[u8] {
                self.0.as_bytes()
            }
            fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }
        })+
    };
}

id!(AccountId, KeyId, OrganizationId, SessionId);

pub(super) fn id<T: Id>(blob: &[u8]) -> Result<T> {
    Uuid::from_slice(blob).map(T::from_uuid).map_err(damaged)
}
