//! Why keys were refused, for their owners.

use std::net::IpAddr;

use async_trait::async_trait;
use jiff::Timestamp;
use tm_auth_proto::{AccountId, KeyId};

use crate::Result;

/// Addresses that are kept per key and reason: the latest ones. Whoever sends forgeries from many addresses
/// displaces forgeries, never another reason.
pub const ADDRESSES: u32 = 5;

/// Requests that named a key and were refused for one reason, from one address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRefusal {
    /// The key.
    pub key_id: KeyId,
    /// The machine word of the reason.
    pub code: String,
    /// From where.
    pub ip: IpAddr,
    /// How often.
    pub count: u64,
    /// When last.
    pub last_at: Timestamp,
}

/// What the service does with refusals.
#[async_trait]
pub trait KeyRefusals: Send + Sync {
    /// Adds to what is kept. A key that does not exist is passed over: anybody can name one.
    async fn record_refusals(&self, refusals: Vec<KeyRefusal>) -> Result<()>;

    /// What is kept of an account's keys, latest first.
    async fn refusals_of(&self, uid: AccountId) -> Result<Vec<KeyRefusal>>;
}
