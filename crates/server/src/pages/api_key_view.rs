//! An API key as pages show it.

use jiff::{SignedDuration, Timestamp};
use tm_auth_core::ApiKey;
use tm_auth_core::registration::PENDING_LIFE;
use tm_auth_proto::KeyId;
use tm_auth_proto::api_key::ApiKeyStatus;
use tm_auth_store::{KeyRefusal, KeyUse};

use super::words::{self, Instant, Status};

/// Pages highlight an expiry this long before it. The first reminder is sent at the same time.
const EXPIRY_WARNING: SignedDuration = SignedDuration::from_hours(30 * 24);
/// A key used within this time counts as in use.
const IN_USE: SignedDuration = SignedDuration::from_hours(1);
/// The list of keys shows a key's latest refusal for this long.
const REFUSAL_SHOWN: SignedDuration = SignedDuration::from_hours(7 * 24);

pub(crate) struct KeyView {
    pub(crate) key_id: KeyId,
    pub(crate) label: String,
    pub(crate) status: Status,
    pub(crate) fingerprint: String,
    pub(crate) scopes: String,
    pub(crate) allowed_ips: Vec<String>,
    pub(crate) created: Instant,
    pub(crate) pending_until: Instant,
    pub(crate) end: Option<Instant>,
    pub(crate) expiry_name: &'static str,
    pub(crate) expires_soon: bool,
    pub(crate) last_used: Option<Used>,
    /// The latest refusal, if it is recent and the key is usable.
    pub(crate) refusal: Option<RefusalView>,
}

pub(crate) struct Used {
    pub(crate) at: Instant,
    pub(crate) ip: String,
    pub(crate) recent: bool,
}

pub(crate) struct RefusalView {
    pub(crate) at: Instant,
    pub(crate) code: String,
    pub(crate) reason: &'static str,
    pub(crate) ip: String,
    pub(crate) count: u64,
}

impl RefusalView {
    pub(crate) fn of(refusal: &KeyRefusal, now: Timestamp) -> Self {
        Self {
            at: Instant::new(refusal.last_at, now),
            reason: words::refusal(&refusal.code),
            code: refusal.code.clone(),
            ip: refusal.ip.to_string(),
            count: refusal.count,
        }
    }
}

impl KeyView {
    /// `refusals` are those of the account, latest first.
    pub(crate) fn of(
        key: &ApiKey,
        last_use: Option<KeyUse>,
        refusals: &[KeyRefusal],
        now: Timestamp,
    ) -> Self {
        let status = key.status(now);
        let (expiry_name, end) = match (status, key.lifecycle.revoked_at()) {
            (ApiKeyStatus::Revoked, Some(at)) => ("Revoked", Some(at)),
            (ApiKeyStatus::Expired, _) => ("Expired", key.expires_at),
            _ => ("Expires", key.expires_at),
        };
        let status = Status::of(status);
        let latest = refusals
            .iter()
            .find(|refusal| refusal.key_id == key.key_id)
            .filter(|refusal| status.usable && now.duration_since(refusal.last_at) < REFUSAL_SHOWN);
        Self {
            key_id: key.key_id,
            label: key.label.clone(),
            fingerprint: key.public_key.fingerprint(),
            scopes: words::scopes(key.scopes),
            allowed_ips: key.allowed_ips.iter().map(ToString::to_string).collect(),
            created: Instant::new(key.created_at, now),
            pending_until: Instant::new(key.created_at + PENDING_LIFE, now),
            end: end.map(|at| Instant::new(at, now)),
            expiry_name,
            expires_soon: status.usable && end.is_some_and(|at| at.duration_since(now) < EXPIRY_WARNING),
            last_used: last_use.map(|used| Used {
                at: Instant::new(used.at, now),
                ip: used.ip.to_string(),
                recent: now.duration_since(used.at) < IN_USE,
            }),
            refusal: latest.map(|refusal| RefusalView::of(refusal, now)),
            status,
        }
    }
}
