//! Which index serves a statement.

use rusqlite::Connection;

use super::database;
use crate::sql::audit::page_sql;

fn plan(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection.prepare(&format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
    let parameters = vec![rusqlite::types::Null; statement.parameter_count()];
    let steps = statement.query_map(rusqlite::params_from_iter(parameters), |row| row.get("detail"));
    steps.unwrap().collect::<Result<_, _>>().unwrap()
}

#[tokio::test]
async fn a_page_of_a_history_is_read_from_one_index() {
    let (_store, folder) = database();
    let connection = Connection::open(folder.path().join("tm-auth.db")).unwrap();
    for (of_key, index) in [
        (false, "INDEX audit_by_uid (uid=?"),
        (true, "INDEX audit_by_key (uid=? AND key_id=?"),
    ] {
        let plan = plan(&connection, &page_sql(of_key, 50));
        let read: Vec<_> = plan.iter().filter(|step| step.contains("audit")).collect();
        assert!(
            read.len() == 2 && read.iter().all(|step| step.contains(index)),
            "{plan:?}"
        );
        assert!(!plan.iter().any(|step| step.contains("TEMP B-TREE")), "{plan:?}");
    }
}
