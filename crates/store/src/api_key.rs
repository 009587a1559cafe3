//! API keys as they are registered, changed and used.

use std::net::IpAddr;

use ipnet::IpNet;
use jiff::Timestamp;
use tm_auth_core::registration::OwnedPublicKey;
use tm_auth_proto::{AccountId, KeyId, Scopes};

/// A key about to be registered. Its public key carries the proof that the registrant holds it.
#[derive(Clone, Debug)]
pub struct NewApiKey {
    /// A fresh id.
    pub key_id: KeyId,
    /// Its owner.
    pub uid: AccountId,
    /// A name, checked.
    pub label: String,
    /// The key.
    pub public_key: OwnedPublicKey,
    /// What its tokens may do.
    pub scopes: Scopes,
    /// Where it may be used from.
    pub allowed_ips: Vec<IpNet>,
    /// Now.
    pub created_at: Timestamp,
    /// Whether it mints at once.
    pub active: bool,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

/// What changes about a key; `None` leaves it as it is.
#[derive(Clone, Debug, Default)]
pub struct KeyChange {
    /// A new name.
    pub label: Option<String>,
    /// New scopes.
    pub scopes: Option<Scopes>,
    /// A new end, or none at all.
    #[allow(clippy::option_option, reason = "unchanged and without end differ")]
    pub expires_at: Option<Option<Timestamp>>,
    /// New networks.
    pub allowed_ips: Option<Vec<IpNet>>,
    /// Whether it is disabled.
    pub disabled: Option<bool>,
}

/// When and from where a key was last used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyUse {
    /// The key.
    pub key_id: KeyId,
    /// When.
    pub at: Timestamp,
    /// From where.
    pub ip: IpAddr,
}
