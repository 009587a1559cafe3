//! Migrations that are cut short, run concurrently, or were run by a newer version.

use super::super::schema::MIGRATIONS;
use super::{Server, open, psql};
use crate::{StoreError, conformance};

/// Every column, index and constraint, and the record of the migrations.
fn schema(url: &str) -> String {
    let sql = "
        SELECT 'column', table_name, column_name, data_type || ' ' || is_nullable || ' '
               || coalesce(column_default, '') || ' ' || coalesce(collation_name, '')
          FROM information_schema.columns WHERE table_schema = 'public'
        UNION ALL SELECT 'index', tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
        UNION ALL SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid)
          FROM pg_constraint WHERE connamespace = 'public'::regnamespace
        UNION ALL SELECT 'migration', name, version::text, min_compatible::text FROM schema_migrations
        ORDER BY 1, 2, 3, 4";
    psql(url, sql)
}

async fn fresh() -> String {
    let url = Server::shared().database();
    open(&url).await.unwrap();
    schema(&url)
}

/// Makes the server close the connection after a definition. The sequence counts across rollbacks,
/// so a resumed migration gets one statement further each time.
const KILLER: &str = "
    CREATE SCHEMA killer;
    CREATE SEQUENCE killer.statements;
    CREATE TABLE killer.turn (at BIGINT NOT NULL);
    INSERT INTO killer.turn VALUES (0);
    CREATE FUNCTION killer.kill() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
        IF nextval('killer.statements') = (SELECT at FROM killer.turn) THEN
            PERFORM pg_terminate_backend(pg_backend_pid());
        END IF;
    END $$;
    CREATE EVENT TRIGGER killer ON ddl_command_end EXECUTE FUNCTION killer.kill();";

#[tokio::test]
async fn j14_a_migration_killed_at_any_definition_is_resumed_to_the_same_schema() {
    let url = Server::shared().database();
    psql(&url, KILLER);
    let mut killed = 0;
    loop {
        let turn = format!(
            "UPDATE killer.turn SET at = {}; SELECT setval('killer.statements', 1, false)",
            killed + 1
        );
        psql(&url, &turn);
        match open(&url).await {
            Ok(_) => break,
            Err(StoreError::Unavailable(_)) => killed += 1,
            Err(error) => panic!("{error}"),
        }
        let left = psql(
            &url,
            "SELECT coalesce(string_agg(tablename, ','), '') FROM pg_tables WHERE schemaname = 'public'",
        );
        assert!(left.is_empty() || left == "schema_migrations", "{left}");
    }
    assert!(killed > 20, "only {killed} were killed");
    assert_eq!(schema(&url), fresh().await);
}

#[tokio::test]
async fn j14_nodes_that_start_at_the_same_time_migrate_once() {
    let url = Server::shared().database();
    let nodes: Vec<_> = (0..8)
        .map(|_| {
            let url = url.clone();
            tokio::spawn(async move { open(&url).await.map(drop) })
        })
        .collect();
    for node in nodes {
        node.await.unwrap().unwrap();
    }
    assert_eq!(schema(&url), fresh().await);
    let run = psql(&url, "SELECT count(*) FROM schema_migrations WHERE version > 0");
    assert_eq!(run, MIGRATIONS.len().to_string());
}

#[tokio::test]
async fn another_programs_database_is_refused_and_unchanged() {
    let url = Server::shared().database();
    psql(&url, "CREATE TABLE another (id BIGINT)");
    let tables = "SELECT string_agg(tablename, ',') FROM pg_tables WHERE schemaname = 'public'";
    let before = psql(&url, tables);
    let error = open(&url).await.err().unwrap();
    assert!(
        matches!(&error, StoreError::Unusable(cause) if cause.to_string().contains("another program's tables")),
        "{error}"
    );
    assert_eq!(psql(&url, tables), before);
}

/// What the next version may change in the schema while this one runs.
const EXPAND: &str = "
    INSERT INTO schema_migrations (version, name, min_compatible) VALUES (99, '0099_newer', 1);
    CREATE TABLE newer (id BIGINT PRIMARY KEY);
    DO $$ DECLARE name TEXT; BEGIN
        FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
            EXECUTE format('ALTER TABLE %I ADD COLUMN newer TEXT', name);
        END LOOP;
    END $$;";

#[tokio::test]
async fn j14_a_newer_schema_serves_this_version() {
    let nouns = ["account", "session", "rotation", "revocation"];
    let cases: Vec<_> = conformance::cases()
        .filter(|case| nouns.iter().any(|noun| case.name.starts_with(noun)))
        .collect();
    assert!(cases.len() > 10, "only {} cases", cases.len());
    for case in cases {
        let url = Server::shared().database();
        drop(open(&url).await.unwrap());
        psql(&url, EXPAND);
        (case.run)(open(&url).await.unwrap()).await;
    }
}

async fn refusal(url: &str) -> String {
    match open(url).await {
        Err(error @ StoreError::Unusable(_)) => error.to_string(),
        Err(error) => panic!("{error}"),
        Ok(_) => panic!("the schema was accepted"),
    }
}

#[tokio::test]
async fn r41_a_schema_that_this_version_is_too_old_for_is_refused_and_unchanged() {
    let url = Server::shared().database();
    drop(open(&url).await.unwrap());
    let known = MIGRATIONS.len();
    let newer = format!(
        "INSERT INTO schema_migrations (version, name, min_compatible) VALUES (99, '0099_newer', {})",
        known + 1
    );
    psql(&url, &newer);
    let before = schema(&url);
    let told = refusal(&url).await;
    for part in [
        "version 99".to_owned(),
        format!("knows version {}", known + 1),
        format!("tm-auth {}, which knows {known}", env!("CARGO_PKG_VERSION")),
        "install the newer tm-auth".to_owned(),
    ] {
        assert!(told.contains(&part), "{part}: {told}");
    }
    let options = super::PostgresOptions {
        url: url.clone(),
        max_connections: 4,
    };
    let pending = crate::postgres::pending_migrations(&options).await;
    assert_eq!(pending.unwrap_err().to_string(), told);
    let inspected = crate::postgres::inspect(&options).await;
    assert_eq!(inspected.unwrap_err().to_string(), told);
    assert_eq!(schema(&url), before);
}

#[tokio::test]
async fn r42_a_missing_table_or_column_is_named_at_the_start() {
    let url = Server::shared().database();
    drop(open(&url).await.unwrap());
    for table in crate::transfer::TABLES {
        let (table, (column, _)) = (table.name, table.columns.last().unwrap());
        psql(
            &url,
            &format!("ALTER TABLE {table} RENAME COLUMN {column} TO another"),
        );
        let told = refusal(&url).await;
        assert!(
            told.contains(&format!("{table} has no column {column}")),
            "{told}"
        );
        psql(
            &url,
            &format!("ALTER TABLE {table} RENAME COLUMN another TO {column}"),
        );
        psql(&url, &format!("ALTER TABLE {table} RENAME TO another"));
        let told = refusal(&url).await;
        assert!(told.contains(&format!("no table {table}")), "{told}");
        psql(&url, &format!("ALTER TABLE another RENAME TO {table}"));
    }
    open(&url).await.unwrap();
}
