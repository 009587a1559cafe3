//! Reading the rows of API keys.

use std::sync::LazyLock;

use ipnet::IpNet;
use jiff::Timestamp;
use tm_auth_core::{ApiKey, Lifecycle, PublicKey};
use tm_auth_proto::{KeyId, Scopes};

use crate::Result;
use crate::sql::row::{damaged, parse};
use crate::sql::{Columns, Tx, account, args};

/// The columns that [`read`] reads: first those of the account, then those of the key.
pub(crate) const COLUMNS: &str = "a.uid, a.organization_id, a.email, a.created_at, a.disabled_at, a.version,
    k.key_id, k.label, k.public_key, k.scopes, k.allowed_ips, k.created_at, k.expires_at, k.activated_at, k.disabled_at,
    k.revoked_at, k.version";
pub(crate) const FROM: &str = "FROM api_keys k JOIN accounts a ON a.uid = k.uid";

pub(in crate::sql) async fn get(tx: &mut Tx<'_>, key_id: KeyId) -> Result<Option<ApiKey>> {
    static SQL: LazyLock<String> = LazyLock::new(|| format!("SELECT {COLUMNS} {FROM} WHERE k.key_id = ?1"));
    tx.find(&SQL, args![key_id], read).await
}

/// Reads [`COLUMNS`].
pub(crate) fn read(columns: &mut Columns<'_>) -> Result<ApiKey> {
    Ok(ApiKey {
        account: account::read(columns)?,
        key_id: columns.next()?,
        label: columns.next()?,
        public_key: PublicKey::from_sec1(columns.next()?)
            .ok_or_else(|| damaged("a public key is not a point on the curve"))?,
        scopes: Scopes::from_claim(columns.next()?),
        allowed_ips: split(columns.next()?)?,
        created_at: columns.next()?,
        expires_at: columns.next()?,
        lifecycle: lifecycle(columns.next()?, columns.next()?, columns.next()?),
        version: columns.next()?,
    })
}

/// Derives the state from the columns of the same names. Each combination of them is possible: an
/// owner can disable or revoke a key that is still pending.
fn lifecycle(
    activated_at: Option<Timestamp>,
    disabled_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
) -> Lifecycle {
    match (revoked_at, activated_at, disabled_at) {
        (Some(revoked_at), _, disabled_at) => Lifecycle::Revoked {
            revoked_at,
            disabled_at,
        },
        (None, None, disabled_at) => Lifecycle::Pending { disabled_at },
        (None, Some(activated_at), None) => Lifecycle::Active { activated_at },
        (None, Some(activated_at), Some(disabled_at)) => Lifecycle::Disabled {
            activated_at,
            disabled_at,
        },
    }
}

pub(super) fn join(networks: &[IpNet]) -> String {
    networks
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(",")
}

fn split(text: &str) -> Result<Vec<IpNet>> {
    text.split(',')
        .filter(|part| !part.is_empty())
        .map(parse)
        .collect()
}
