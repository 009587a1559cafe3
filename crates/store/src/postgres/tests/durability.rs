//! The settings with which a server may lose acknowledged changes.

use super::super::durability::forgetful;
use super::{Server, engine, open, psql};

#[tokio::test]
async fn settings_that_can_lose_acknowledged_changes_are_named() {
    let url = Server::shared().database();
    let named = async || forgetful(&engine(&open(&url).await.unwrap()).pool).await.unwrap();
    assert_eq!(named().await, ["fsync", "full_page_writes", "synchronous_commit"]);

    psql(
        &url,
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = on', current_database()); END $$",
    );
    assert_eq!(named().await, ["fsync", "full_page_writes"]);
}
