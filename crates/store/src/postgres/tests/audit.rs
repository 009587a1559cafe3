//! What the database itself refuses to do to the audit trail.

use super::{Server, engine, open, psql};
use crate::conformance::given;

#[tokio::test]
async fn r43_the_audit_trail_is_neither_changed_nor_truncated() {
    let url = Server::shared().database();
    let store = open(&url).await.unwrap();
    given::account(&store).await;
    let before = psql(&url, "SELECT count(*) FROM audit");
    for sql in [
        "UPDATE audit SET actor = 'another'",
        "TRUNCATE audit",
        "TRUNCATE accounts, audit CASCADE",
    ] {
        let refused = sqlx::query(sql).execute(&engine(&store).pool).await.unwrap_err();
        assert!(refused.to_string().contains("append-only"), "{sql}: {refused}");
    }
    assert_eq!(psql(&url, "SELECT count(*) FROM audit"), before);
}
