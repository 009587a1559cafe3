//! Registration, changes and use of API keys.

use std::net::IpAddr;

use ipnet::IpNet;
use jiff::Timestamp;
use tm_auth_core::ApiKey;
use tm_auth_core::registration::OwnedPublicKey;
use tm_auth_proto::{AccountId, KeyId, Scopes};

/// A key to be registered. Its type proves that the caller possesses the private key.
#[derive(Clone, Debug)]
pub struct NewApiKey {
    /// New random id.
    pub key_id: KeyId,
    /// Owner's account.
    pub uid: AccountId,
    /// Validated label.
    pub label: String,
    /// Public key.
    pub public_key: OwnedPublicKey,
    /// Scopes of its tokens.
    pub scopes: Scopes,
    /// Networks from which it can be used. Empty: any.
    pub allowed_ips: Vec<IpNet>,
    /// Registration time.
    pub created_at: Timestamp,
    /// Whether it is active at once. Otherwise it is pending.
    pub active: bool,
    /// When it expires. `None`: never.
    pub expires_at: Option<Timestamp>,
}

/// Changes to a key. `None` leaves a property as it is.
#[derive(Clone, Debug, Default)]
pub struct KeyChange {
    /// New label.
    pub label: Option<String>,
    /// New scopes.
    pub scopes: Option<Scopes>,
    /// New expiry. `Some(None)`: the key no longer expires.
    #[allow(
        clippy::option_option,
        reason = "`None` (unchanged) and `Some(None)` (no expiry) differ"
    )]
    pub expires_at: Option<Option<Timestamp>>,
    /// New networks.
    pub allowed_ips: Option<Vec<IpNet>>,
    /// `true` disables the key, `false` enables it.
    pub disabled: Option<bool>,
}

/// The last use of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyUse {
    /// The key.
    pub key_id: KeyId,
    /// Time of the use.
    pub at: Timestamp,
    /// The client's address.
    pub ip: IpAddr,
}

/// A row as it is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Changed<T> {
    /// The row.
    pub row: T,
    /// Whether this call changed it. If not, the call wrote nothing at all.
    pub is_changed: bool,
}

/// Limits of an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyLimits {
    /// Maximum number of live keys. As many again may be pending.
    pub live: u32,
    /// Maximum number of registrations within 24 hours.
    pub per_day: u32,
}

/// A page of the keys of an account that are revoked or expired, newest first, with their last use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadKeys {
    /// The keys.
    pub keys: Vec<(ApiKey, Option<KeyUse>)>,
    /// If there are older ones: they were registered before this time.
    pub older: Option<Timestamp>,
}
