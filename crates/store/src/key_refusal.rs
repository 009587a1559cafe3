//! Reasons why requests with a key were refused, for the key's owner.

use std::net::IpAddr;

use jiff::Timestamp;
use tm_auth_proto::KeyId;

/// Number of addresses that are kept per key and reason: the latest ones. Forged requests from many
/// addresses displace other forged requests, but no other reason.
pub const ADDRESSES: u32 = 5;

/// Requests that named a key, came from one address and were refused for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRefusal {
    /// The key.
    pub key_id: KeyId,
    /// Error code.
    pub code: String,
    /// Client address.
    pub ip: IpAddr,
    /// Number of requests.
    pub count: u64,
    /// Time of the latest request.
    pub last_at: Timestamp,
}
