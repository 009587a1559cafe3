//! Migrations that are cut short, run concurrently, or were run by a newer version.

use super::super::schema::MIGRATIONS;
use super::{Server, open, psql};
use crate::{StoreError, conformance};

/// Every column, index and constraint.
fn schema(url: &str) -> String {
    let sql = "
        SELECT 'column', table_name, column_name, data_type || ' ' || is_nullable || ' '
               || coalesce(column_default, '') || ' ' || coalesce(collation_name, '')
          FROM information_schema.columns WHERE table_schema = 'public'
        UNION ALL SELECT 'index', tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
        UNION ALL SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid)
          FROM pg_constraint WHERE connamespace = 'public'::regnamespace
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
    let before = schema(&url);
    let error = open(&url).await.err().unwrap();
    assert!(
        matches!(&error, StoreError::Unusable(cause) if cause.to_string().contains("another program's tables")),
        "{error}"
    );
    assert_eq!(schema(&url), before);
}

/// What the next version may change in the schema while this one runs.
const EXPAND: &str = "
    INSERT INTO schema_migrations (version, name) VALUES (99, '0099_newer');
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
