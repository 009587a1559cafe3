//! Statements that are executed often: SQLite prepares each once, and what it reads does not grow.

use std::collections::BTreeMap;
use std::path::Path;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use rusqlite::{Connection, StatementStatus};
use tm_auth_core::ApiKey;

use super::{database, engine};
use crate::conformance::given;
use crate::sql::{On, Tx};
use crate::statements::SQLITE;
use crate::{KeyLimits, NewApiKey, Store};

/// How often the connection executed the statement, how often it prepared it again, and the steps
/// of its last execution.
struct Counts {
    runs: i32,
    prepared_again: i32,
    steps: i32,
}

fn counts(connection: &Connection, sql: &str) -> Counts {
    let statement = connection.prepare_cached(sql).unwrap();
    Counts {
        runs: statement.get_status(StatementStatus::Run),
        prepared_again: statement.get_status(StatementStatus::RePrepare),
        steps: statement.reset_status(StatementStatus::VmStep),
    }
}

/// The counts of every statement that the store's tests executed, on the writer and on a reader.
async fn all_counts(store: &Store) -> Vec<(String, Counts)> {
    let statements: Vec<String> = SQLITE.recorded().into_iter().map(|(sql, _)| sql).collect();
    let read = move |tx: &mut Tx<'_>| {
        let On::Sqlite(connection) = &mut tx.on else {
            unreachable!()
        };
        // Preparing more than the cache holds would push the statements out of it.
        let cached = statements.iter().filter(|sql| !sql.contains("sqlite_schema"));
        connection.set_prepared_statement_cache_capacity(10_000);
        Ok(cached
            .map(|sql| (sql.clone(), counts(connection, sql)))
            .collect::<Vec<_>>())
    };
    let on_reader = read.clone();
    let mut all = engine(store)
        .write(async move |tx: &mut Tx<'_>| read(tx))
        .await
        .unwrap();
    all.extend(
        engine(store)
            .read(async move |tx: &mut Tx<'_>| on_reader(tx))
            .await
            .unwrap(),
    );
    all
}

#[tokio::test]
async fn q03_a_hot_statement_is_prepared_once() {
    let (store, _folder) = database();
    let key = given::key(&store).await;
    for second in 0..50 {
        let (new, secret) = given::new_session(&key, second);
        given::open(&store, &new).await;
        for counter in 0..2 {
            let rotation = given::rotation(new.sid, &secret, counter, second + 1);
            given::rotate(&store, rotation).await.unwrap();
        }
        store.api_key(key.key_id).await.unwrap();
    }
    let hot: Vec<_> = all_counts(&store)
        .await
        .into_iter()
        .filter(|(_, counts)| counts.runs >= 50)
        .collect();
    for (sql, counts) in &hot {
        assert_eq!(counts.prepared_again, 0, "{sql}");
    }
    for part in [
        "INSERT INTO sessions",
        "FROM sessions s WHERE s.sid = ?1",
        "UPDATE sessions SET current",
        "WHERE k.key_id = ?1",
    ] {
        assert!(hot.iter().any(|(sql, _)| sql.contains(part)), "{part}");
    }
}

/// Adds keys of which every other one is revoked; the others expire after a minute.
fn add_dead_keys(path: &Path, like: &ApiKey, first: i64, last: i64) {
    let sql = "INSERT INTO api_keys (key_id, uid, label, public_key, scopes, allowed_ips, created_at, activated_at,
            expires_at, revoked_at, version)
         SELECT CAST(printf('%016d', ?2) AS BLOB), k.uid, k.label, ?3, k.scopes, k.allowed_ips,
            k.created_at + ?2, k.created_at, k.created_at + 60000, CASE WHEN ?2 % 2 = 0 THEN k.created_at END, 1
         FROM api_keys k WHERE k.key_id = ?1";
    let mut connection = Connection::open(path).unwrap();
    let tx = connection.transaction().unwrap();
    for number in first..=last {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let point = pair.public_key().as_ref();
        tx.prepare_cached(sql)
            .unwrap()
            .execute((like.key_id.0.as_bytes(), number, point))
            .unwrap();
    }
    tx.commit().unwrap();
}

#[tokio::test]
async fn q09_what_limits_and_lists_read_does_not_grow_with_dead_keys() {
    let (store, folder) = database();
    let key = given::key(&store).await;
    let (uid, now) = (key.account.uid, given::at(100_000));
    let mut before: BTreeMap<String, i32> = BTreeMap::new();
    for (first, last) in [(1, 200), (201, 10_000)] {
        add_dead_keys(&folder.path().join("tm-auth.db"), &key, first, last);
        all_counts(&store).await;
        let new = NewApiKey {
            created_at: now,
            ..given::new_key(&key.account)
        };
        let limits = KeyLimits {
            live: 20,
            per_day: 100,
        };
        let registered = store
            .register_key(new, limits, &given::audit_context(100_000))
            .await;
        registered.unwrap().unwrap();
        assert!(store.live_api_keys(uid, now).await.unwrap().len() <= 3);
        assert!(store.refusals_of(uid, now).await.unwrap().is_empty());
        let page = store.dead_api_keys(uid, now, None, 50).await.unwrap();
        assert_eq!(page.keys.len(), 50);
        let steps: BTreeMap<String, i32> = all_counts(&store)
            .await
            .into_iter()
            .filter(|(sql, counts)| sql.contains("api_keys") && counts.steps > 0)
            .map(|(sql, counts)| (sql, counts.steps))
            .collect();
        assert!(steps.len() >= 6, "{steps:?}");
        for (sql, fewer) in before {
            let more = steps[&sql];
            // There is one more live key.
            assert!(more < fewer + 200, "{fewer} steps, then {more}: {sql}");
        }
        before = steps;
    }
}
