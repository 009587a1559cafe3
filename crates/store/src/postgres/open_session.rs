//! Opening many sessions in one statement.

use std::collections::HashSet;

use sqlx::PgConnection;
use tm_auth_core::session::NewSession;

use super::Postgres;
use super::batcher::{Batched, Batcher, column};
use crate::OpenOutcome;

/// Inserts the sessions whose id is new and whose key and account have not changed since the
/// decision. So no mint that begins after an acknowledged revocation succeeds, even if a cache is
/// stale. Sorted, so that nodes that insert the same ids do not deadlock.
const OPEN: &str = "INSERT INTO sessions (sid, key_id, secret_hash, open_nonce, mac_kid, current, rotated_at, reissue_count,
        burst_oldest, burst_began_at, challenge_at, opened_at, expires_at)
    SELECT n.sid, n.key_id, n.secret_hash, n.open_nonce, n.mac_kid, 0, n.opened_at, 0, 0, n.opened_at, n.challenge_at,
        n.opened_at, n.expires_at
    FROM unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::bytea[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[],
            $9::bigint[], $10::bigint[])
        AS n (sid, key_id, secret_hash, open_nonce, mac_kid, challenge_at, opened_at, expires_at, key_version, account_version)
    JOIN api_keys k ON k.key_id = n.key_id AND k.version = n.key_version AND k.revoked_at IS NULL AND k.disabled_at IS NULL
    JOIN accounts a ON a.uid = k.uid AND a.version = n.account_version AND a.disabled_at IS NULL
    WHERE NOT EXISTS (
        SELECT 1 FROM settings WHERE name = 'recovered_at' AND CAST(value AS BIGINT) > n.challenge_at)
    ORDER BY n.sid
    ON CONFLICT (sid) DO NOTHING
    RETURNING sid";

impl Batched for NewSession {
    type Outcome = OpenOutcome;

    fn lane(postgres: &Postgres) -> &Batcher<Self> {
        &postgres.openings
    }

    async fn run(
        connection: &mut PgConnection,
        batch: &[Self],
    ) -> Result<Vec<Option<OpenOutcome>>, sqlx::Error> {
        // Of equal ids in a batch only the first is inserted. The others are written alone and find
        // its row.
        let mut seen = HashSet::with_capacity(batch.len());
        let first: Vec<bool> = batch.iter().map(|new| seen.insert(new.sid)).collect();
        let rows: Vec<&Self> = batch
            .iter()
            .zip(&first)
            .filter_map(|(new, first)| first.then_some(new))
            .collect();
        let opened: Vec<[u8; 16]> = sqlx::query_scalar(OPEN)
            .bind(column(&rows, |new| new.sid.0.as_bytes().as_slice()))
            .bind(column(&rows, |new| new.key_id.0.as_bytes().as_slice()))
            .bind(column(&rows, |new| new.secret_hash.0.as_slice()))
            .bind(column(&rows, |new| new.open_nonce.as_slice()))
            .bind(column(&rows, |new| new.mac_kid.as_str()))
            .bind(column(&rows, |new| new.challenge_at.as_millisecond()))
            .bind(column(&rows, |new| new.opened_at.as_millisecond()))
            .bind(column(&rows, |new| new.expires_at.as_millisecond()))
            .bind(column(&rows, |new| new.key_version))
            .bind(column(&rows, |new| new.account_version))
            .fetch_all(connection)
            .await?;
        let opened: HashSet<[u8; 16]> = opened.into_iter().collect();
        let outcome = |(new, first): (&Self, &bool)| {
            (*first && opened.contains(new.sid.0.as_bytes())).then_some(OpenOutcome::Opened)
        };
        Ok(batch.iter().zip(&first).map(outcome).collect())
    }
}
