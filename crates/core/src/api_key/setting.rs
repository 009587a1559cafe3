//! The settings of a key that its owner chooses, and what a change made of them. E-mails and the
//! audit trail store both as JSON.

use ipnet::IpNet;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tm_auth_proto::Scopes;

use super::ApiKey;

/// What a key may do, from where and until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeySettings {
    /// Scopes of the key's tokens.
    pub scopes: Scopes,
    /// Networks from which the key may be used; empty means any.
    pub allowed_ips: Vec<IpNet>,
    /// When the key expires, if ever.
    pub expires_at: Option<Timestamp>,
}

impl KeySettings {
    /// The settings of a key.
    pub fn of(key: &ApiKey) -> Self {
        Self {
            scopes: key.scopes,
            allowed_ips: key.allowed_ips.clone(),
            expires_at: key.expires_at,
        }
    }
}

/// A setting that was changed, with its value before and after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "setting", rename_all = "snake_case")]
#[allow(missing_docs, reason = "the names say it")]
pub enum SettingChange {
    Label {
        from: String,
        to: String,
    },
    Scopes {
        from: Scopes,
        to: Scopes,
    },
    AllowedIps {
        from: Vec<IpNet>,
        to: Vec<IpNet>,
    },
    ExpiresAt {
        from: Option<Timestamp>,
        to: Option<Timestamp>,
    },
    /// Whether the key is disabled.
    Disabled {
        from: bool,
        to: bool,
    },
}

impl SettingChange {
    /// What differs between two states of one key.
    pub fn between(before: &ApiKey, after: &ApiKey) -> Vec<Self> {
        let mut changes = Vec::new();
        let (from, to) = (before.lifecycle.disabled_at(), after.lifecycle.disabled_at());
        let (from, to) = (from.is_some(), to.is_some());
        if from != to {
            changes.push(Self::Disabled { from, to });
        }
        if before.scopes != after.scopes {
            let (from, to) = (before.scopes, after.scopes);
            changes.push(Self::Scopes { from, to });
        }
        if before.allowed_ips != after.allowed_ips {
            let (from, to) = (before.allowed_ips.clone(), after.allowed_ips.clone());
            changes.push(Self::AllowedIps { from, to });
        }
        if before.expires_at != after.expires_at {
            let (from, to) = (before.expires_at, after.expires_at);
            changes.push(Self::ExpiresAt { from, to });
        }
        if before.label != after.label {
            let (from, to) = (before.label.clone(), after.label.clone());
            changes.push(Self::Label { from, to });
        }
        changes
    }

    /// Whether the key can do something that it could not do before.
    pub fn adds_scopes(&self) -> bool {
        match self {
            Self::Scopes { from, to } => !from.contains_all(*to),
            _ => false,
        }
    }
}
