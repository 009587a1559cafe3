//! Signing and MAC keys of the service.

use tm_auth_core::signing::{Algorithm, Purpose, Sealed, StoredSigningKey};

use super::row::damaged;
use super::{Columns, Store, Tx, args, audit, housekeeping, setting};
use crate::{AuditAction, AuditContext, Call, Change, Result};

const VERSION: &str = "signing_keys_version";

impl Store {
    /// Returns the keys of the service and the version of the set.
    pub fn signing_keys(&self) -> Call<'_, (i64, Vec<StoredSigningKey>)> {
        Box::pin(self.read(async |tx| all(tx).await))
    }

    /// Replaces keys of the set if it is still at `version`. `false`: another node changed the set.
    /// Read it again.
    pub fn update_signing_keys(
        &self,
        version: i64,
        put: Vec<StoredSigningKey>,
        remove: Vec<String>,
        audit_context: &AuditContext,
    ) -> Call<'_, bool> {
        let audit_context = audit_context.clone();
        Box::pin(self.write(async move |tx| update(tx, version, &put, &remove, &audit_context).await))
    }
}

pub(super) async fn all(tx: &mut Tx<'_>) -> Result<(i64, Vec<StoredSigningKey>)> {
    // One statement, so that version and rows are consistent. If there are no keys, it returns one
    // row whose key columns are NULL.
    let sql = "SELECT (SELECT value FROM settings WHERE name = ?1),
            k.kid, k.purpose, k.algorithm, k.sealed, k.published_at, k.signing_since, k.retired_at
         FROM (SELECT 1 AS one) always LEFT JOIN signing_keys k ON always.one = 1
         ORDER BY k.published_at, k.kid";
    let rows = tx
        .list(sql, args![VERSION], |columns| {
            Ok((parse_version(columns.next()?)?, read(columns)?))
        })
        .await?;
    let version = rows.first().map_or(0, |(version, _)| *version);
    let keys = rows.into_iter().filter_map(|(_, key)| key);
    Ok((version, keys.collect()))
}

pub(super) async fn update(
    tx: &mut Tx<'_>,
    expected: i64,
    put: &[StoredSigningKey],
    remove: &[String],
    audit_context: &AuditContext,
) -> Result<bool> {
    if parse_version(setting::get(tx, VERSION).await?)? != expected {
        return Ok(false);
    }
    for kid in remove {
        tx.execute("DELETE FROM signing_keys WHERE kid = ?1", args![kid])
            .await?;
        audit::note(
            tx,
            audit_context,
            AuditAction::SigningKeyRemoved,
            None,
            None,
            None,
            Some(kid),
        )
        .await?;
    }
    // Retire keys first, since two keys of a purpose must never sign at the same time.
    let (retired, others): (Vec<_>, Vec<_>) = put.iter().partition(|key| key.retired_at.is_some());
    for key in retired.into_iter().chain(others) {
        tx.execute(
            "INSERT INTO signing_keys (kid, purpose, algorithm, sealed, published_at, signing_since, retired_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (kid) DO UPDATE
             SET sealed = excluded.sealed, signing_since = excluded.signing_since, retired_at = excluded.retired_at",
            args![
                key.kid,
                key.purpose.as_str(),
                key.algorithm.map(Algorithm::as_str),
                key.sealed.0,
                key.published_at,
                key.signing_since,
                key.retired_at,
            ],
        )
        .await?;
        let detail = format!("{} {:?}", key.kid, key.state());
        audit::note(
            tx,
            audit_context,
            AuditAction::SigningKeyChanged,
            None,
            None,
            None,
            Some(&detail),
        )
        .await?;
    }
    setting::set(tx, VERSION, &(expected + 1).to_string()).await?;
    housekeeping::announce(tx, audit_context.at, Change::SigningKeys).await?;
    Ok(true)
}

fn parse_version(text: Option<String>) -> Result<i64> {
    text.map_or(Ok(0), |text| text.parse().map_err(damaged))
}

/// Returns `None` if the key columns are NULL.
pub(super) fn read(columns: &mut Columns<'_>) -> Result<Option<StoredSigningKey>> {
    let Some(kid) = columns.next()? else {
        return Ok(None);
    };
    let purpose: &str = columns.next()?;
    let algorithm: Option<&str> = columns.next()?;
    Ok(Some(StoredSigningKey {
        kid,
        purpose: Purpose::parse(purpose).ok_or_else(|| damaged(format!("unknown key purpose {purpose}")))?,
        algorithm: algorithm
            .map(|text| {
                Algorithm::parse(text).ok_or_else(|| damaged(format!("unknown key algorithm {text}")))
            })
            .transpose()?,
        sealed: Sealed(columns.next()?),
        published_at: columns.next()?,
        signing_since: columns.next()?,
        retired_at: columns.next()?,
    }))
}
