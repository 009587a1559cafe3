//! What a restore reads and writes in the copy before it becomes the database.

use jiff::Timestamp;
use tm_auth_core::signing::StoredSigningKey;
use tm_auth_proto::Environment;

use super::{Tx, audit, housekeeping, setting, signing_key};
use crate::{AuditContext, Result, StoreError};

/// Fails if the database belongs to another environment, or to none.
pub(crate) async fn require_environment(tx: &mut Tx<'_>, environment: Environment) -> Result<()> {
    if setting::get(tx, "environment").await?.is_none() {
        return Err(StoreError::unusable("it belongs to no environment: it is empty"));
    }
    setting::bind_environment(tx, environment).await
}

/// Returns the time of the last entry of the audit trail, and the signing keys.
pub(crate) async fn contents(tx: &mut Tx<'_>) -> Result<(Option<Timestamp>, Vec<StoredSigningKey>)> {
    let newest = audit::newest(tx, None, 1).await?;
    let last_entry_at = newest.first().map(|entry| entry.audit_context.at);
    Ok((last_entry_at, signing_key::all(tx).await?.1))
}

/// See [`crate::Store::mark_recovered`].
pub(crate) async fn mark(
    tx: &mut Tx<'_>,
    recovered_at: Timestamp,
    audit_context: &AuditContext,
) -> Result<()> {
    housekeeping::mark_recovered(tx, recovered_at, false, audit_context)
        .await
        .map(drop)
}
