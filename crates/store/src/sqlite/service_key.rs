//! The service's signing and MAC keys.

use rusqlite::{Connection, Row, params};
use tm_auth_core::signing::{Algorithm, Purpose, Sealed, StoredKey};

use super::row::{damaged, ms, opt_ms, opt_time, time};
use super::{audit, housekeeping, schema};
use crate::{Change, Origin, Result};

const VERSION: &str = "service_keys_version";

pub(super) fn all(db: &Connection) -> Result<(i64, Vec<StoredKey>)> {
    // One read transaction, so that version and rows belong together.
    let tx = db.unchecked_transaction()?;
    let version = version(&tx)?;
    let mut statement = tx.prepare_cached(
        "SELECT kid, purpose, algorithm, sealed, published_at, signing_since, retired_at FROM service_keys ORDER BY published_at, kid",
    )?;
    let rows = statement.query_map([], |row| Ok(read(row)))?;
    let keys = rows.map(|row| row?).collect::<Result<_>>()?;
    Ok((version, keys))
}

pub(super) fn update(
    tx: &Connection,
    expected: i64,
    put: &[StoredKey],
    remove: &[String],
    origin: &Origin,
) -> Result<bool> {
    if version(tx)? != expected {
        return Ok(false);
    }
    for kid in remove {
        tx.prepare_cached("DELETE FROM service_keys WHERE kid = ?1")?
            .execute([kid])?;
        audit::note(tx, origin, "service_key_removed", None, None, None, Some(kid))?;
    }
    // Retiring ones first: at no moment may two keys of a purpose sign.
    let (retired, others): (Vec<_>, Vec<_>) = put.iter().partition(|key| key.retired_at.is_some());
    for key in retired.into_iter().chain(others) {
        tx.prepare_cached(
            "INSERT INTO service_keys (kid, purpose, algorithm, sealed, published_at, signing_since, retired_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
             ON CONFLICT (kid) DO UPDATE SET sealed = excluded.sealed, signing_since = excluded.signing_since, retired_at = excluded.retired_at",
        )?
        .execute(params![
            key.kid,
            key.purpose.as_str(),
            key.algorithm.map(Algorithm::as_str),
            key.sealed.0,
            ms(key.published_at),
            opt_ms(key.signing_since),
            opt_ms(key.retired_at),
        ])?;
        let detail = format!("{} {:?}", key.kid, key.state());
        audit::note(tx, origin, "service_key_changed", None, None, None, Some(&detail))?;
    }
    schema::set_setting(tx, VERSION, &(expected + 1).to_string())?;
    housekeeping::announce(tx, origin.at, Change::ServiceKeys)?;
    Ok(true)
}

fn version(db: &Connection) -> Result<i64> {
    schema::setting(db, VERSION)?.map_or(Ok(0), |text| text.parse().map_err(damaged))
}

fn read(row: &Row<'_>) -> Result<StoredKey> {
    let purpose: String = row.get(1)?;
    let algorithm: Option<String> = row.get(2)?;
    Ok(StoredKey {
        kid: row.get(0)?,
        purpose: Purpose::parse(&purpose).ok_or_else(|| damaged(format!("a key for {purpose}")))?,
        algorithm: algorithm
            .map(|text| Algorithm::parse(&text).ok_or_else(|| damaged(format!("a key of {text}"))))
            .transpose()?,
        sealed: Sealed(row.get(3)?),
        published_at: time(row.get(4)?)?,
        signing_since: opt_time(row.get(5)?)?,
        retired_at: opt_time(row.get(6)?)?,
    })
}
