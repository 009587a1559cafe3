//! An API key as its owner sees it.

use jiff::Timestamp;
use tm_auth_core::ApiKey;
use tm_auth_proto::ApiKey as View;
use tm_auth_store::KeyUse;

pub(super) fn view(key: &ApiKey, last_use: Option<KeyUse>, now: Timestamp) -> View {
    View {
        key_id: key.key_id,
        label: key.label.clone(),
        algorithm: "ES256".to_owned(),
        fingerprint: key.public_key.fingerprint(),
        status: key.status(now),
        scopes: key.scopes,
        allowed_ips: key.allowed_ips.clone(),
        created_at: key.created_at,
        expires_at: key.expires_at,
        disabled_at: key.lifecycle.disabled_at(),
        revoked_at: key.lifecycle.revoked_at(),
        last_used_at: last_use.map(|usage| usage.at),
        last_used_ip: last_use.map(|usage| usage.ip),
    }
}
