//! Why keys were refused, for their owners.

use std::net::IpAddr;

use jiff::Timestamp;
use tm_auth_proto::KeyId;

/// Addresses that are kept per key and reason: the latest ones. A caller who sends forgeries from many addresses
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
