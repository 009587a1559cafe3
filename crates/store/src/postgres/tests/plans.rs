//! Which index serves a statement.

use super::{Server, open, psql};
use crate::sql::audit::page_sql;

#[tokio::test]
async fn a_page_of_a_history_is_read_from_one_index() {
    let url = Server::shared().database();
    open(&url).await.unwrap();
    for (of_key, index) in [(false, "audit_by_uid"), (true, "audit_by_key")] {
        let sql = page_sql(of_key, 50)
            .replace("?1", "'\\x01'")
            .replace("?2", "1")
            .replace("?3", "'\\x02'");
        // Otherwise PostgreSQL would scan the empty table.
        let plan = psql(
            &url,
            &format!("SET enable_seqscan = off; SET enable_bitmapscan = off; EXPLAIN {sql}"),
        );
        assert_eq!(plan.matches(&format!("using {index}")).count(), 2, "{plan}");
        assert!(!plan.contains("Sort"), "{plan}");
    }
}
