//! How a database executes a statement: which tables it would read as a whole.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

use rusqlite::Connection;
use serde_json::Value as Json;
use sqlx::{AssertSqlSafe, PgConnection, Row as _};

use crate::sql::value::Kind;

/// Tables that stay small. Every other table grows.
const SMALL: &[&str] = &["settings", "signing_keys"];

/// The problems of a plan, one line each. None: each growing table is read by an index.
pub(super) fn sqlite(connection: &Connection, sql: &str) -> Vec<String> {
    let mut statement = connection
        .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
    let nulls = vec![rusqlite::types::Null; statement.parameter_count()];
    let steps: Vec<String> = statement
        .query_map(rusqlite::params_from_iter(nulls), |row| row.get("detail"))
        .and_then(Iterator::collect)
        .unwrap_or_else(|error| panic!("{sql}: {error}"));
    let bounded = is_bounded(sql) && !steps.iter().any(|step| step.contains("TEMP B-TREE"));
    let tables = aliases(connection, sql);
    steps
        .into_iter()
        .filter(|step| {
            let scanned = step.strip_prefix("SCAN ").and_then(|rest| rest.split(' ').next());
            let grows = scanned.is_some_and(|name| match tables.get(name) {
                Some(table) => !SMALL.contains(&table.as_str()),
                // The plan of a subquery has lines of its own.
                None => {
                    name != "CONSTANT"
                        && !step.ends_with("VALUES CLAUSE")
                        && !name.starts_with('(')
                        && !sql.contains(&format!(") {name}"))
                }
            });
            // A skip-scan, or an index that is built for this one statement.
            let indirect = step.contains("ANY(") || step.contains("AUTOMATIC");
            (grows && !bounded) || indirect
        })
        .collect()
}

/// The tables of the database by each name that the statement could give them: their own, or the
/// word after it.
fn aliases(connection: &Connection, sql: &str) -> HashMap<String, String> {
    let mut tables = connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table'")
        .unwrap();
    let names = tables.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let words: Vec<&str> = sql
        .split([' ', '\n', '(', ')', ','])
        .filter(|word| !word.is_empty())
        .collect();
    let mut found = HashMap::new();
    for name in names.map(Result::unwrap) {
        for pair in words.windows(2).filter(|pair| pair[0] == name) {
            found.insert(pair[1].to_owned(), name.clone());
        }
        found.insert(name.clone(), name);
    }
    found
}

/// Whether the statement reads the first rows of a table in the order of an index, whatever they
/// contain.
fn is_bounded(sql: &str) -> bool {
    sql.starts_with("SELECT") && sql.contains(" LIMIT ") && !sql.contains(" WHERE ")
}

/// Fills the tables that grow, each nullable column in every other row, so that the planner has
/// statistics. It would choose any index of an empty table.
pub(super) async fn fill_postgres(connection: &mut PgConnection) {
    let columns: Vec<(String, String, String, bool)> = sqlx::query_as(
        "SELECT CAST(table_name AS TEXT), CAST(column_name AS TEXT), CAST(data_type AS TEXT), is_nullable = 'YES'
         FROM information_schema.columns WHERE table_schema = 'public' AND table_name <> 'schema_migrations'",
    )
    .fetch_all(&mut *connection)
    .await
    .expect("the catalogue");
    let mut tables: BTreeMap<&str, Vec<(&str, String)>> = BTreeMap::new();
    for (table, column, kind, nullable) in &columns {
        let value = match kind.as_str() {
            "bigint" => "n",
            "text" => "'text ' || n",
            "bytea" => "int8send(n)",
            other => panic!("{table}.{column} has the type {other}"),
        };
        let value = if *nullable {
            format!("CASE WHEN n % 2 = 0 THEN {value} END")
        } else {
            value.to_owned()
        };
        tables.entry(table).or_default().push((column, value));
    }
    // In any order of the tables: the rows refer to each other by equal numbers.
    let mut script = "SET session_replication_role = replica;".to_owned();
    for (table, columns) in tables.iter().filter(|(table, _)| !SMALL.contains(table)) {
        let (names, values): (Vec<&str>, Vec<&str>) = columns
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .unzip();
        let (names, values) = (names.join(", "), values.join(", "));
        write!(
            script,
            "INSERT INTO {table} ({names}) SELECT {values} FROM generate_series(1, 5000) AS n; ANALYZE {table};"
        )
        .expect("writing to a string never fails");
    }
    sqlx::raw_sql(AssertSqlSafe(script))
        .execute(connection)
        .await
        .expect("rows in every table");
}

/// As [`sqlite`]. A sequential scan is disabled, so one in the plan means that no index serves the
/// statement. The same is true for an index without a condition on its first column.
pub(super) async fn postgres(connection: &mut PgConnection, sql: &str, kinds: &[Kind]) -> Vec<String> {
    let types: Vec<&str> = kinds
        .iter()
        .map(|kind| match kind {
            Kind::Integer => "bigint",
            Kind::Text => "text",
            Kind::Blob => "bytea",
        })
        .collect();
    let types = if types.is_empty() {
        String::new()
    } else {
        format!("({})", types.join(", "))
    };
    // PostgreSQL has at most 65,535 parameters.
    let arguments = (1..=65_535)
        .take_while(|number| has_parameter(sql, *number))
        .count();
    let nulls = if arguments == 0 {
        String::new()
    } else {
        format!("({})", vec!["NULL"; arguments].join(", "))
    };
    let run = async |connection: &mut PgConnection, sql: String| {
        sqlx::raw_sql(AssertSqlSafe(sql.clone()))
            .fetch_all(connection)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error}"))
    };
    run(connection, format!("PREPARE checked {types} AS {sql}")).await;
    let rows = run(
        connection,
        format!("EXPLAIN (FORMAT JSON) EXECUTE checked {nulls}"),
    )
    .await;
    run(connection, "DEALLOCATE checked".to_owned()).await;
    let text: String = rows[0].try_get_unchecked(0).expect("a plan");
    let plan: Json = serde_json::from_str(&text).expect("JSON");
    let columns = first_columns(connection).await;
    let bounded = is_bounded(sql) && !text.contains("\"Sort\"");
    let mut problems = Vec::new();
    if !bounded {
        walk(&plan[0]["Plan"], &columns, &mut problems);
    }
    problems
}

fn has_parameter(sql: &str, number: usize) -> bool {
    let parameter = format!("${number}");
    sql.match_indices(&parameter)
        .any(|(at, _)| !sql[at + parameter.len()..].starts_with(|next: char| next.is_ascii_digit()))
}

/// The first column of each index. An expression is the first column of none.
async fn first_columns(connection: &mut PgConnection) -> HashMap<String, String> {
    let sql = "SELECT CAST(i.indexrelid::regclass AS TEXT), CAST(a.attname AS TEXT) FROM pg_index i
        JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]";
    let rows: Vec<(String, String)> = sqlx::query_as(sql)
        .fetch_all(connection)
        .await
        .expect("the catalogue");
    rows.into_iter().collect()
}

fn walk(node: &Json, columns: &HashMap<String, String>, problems: &mut Vec<String>) {
    let text = |name: &str| node[name].as_str().unwrap_or_default();
    let kind = text("Node Type");
    let grows = !SMALL.contains(&text("Relation Name"));
    if kind == "Seq Scan" && grows {
        problems.push(format!("{kind} on {}", text("Relation Name")));
    }
    if let Some(index) = node["Index Name"].as_str() {
        let small = SMALL.iter().any(|table| index.starts_with(table));
        let condition = text("Index Cond");
        let named = columns.get(index).is_some_and(|column| {
            condition
                .split(|other: char| !other.is_ascii_alphanumeric() && other != '_')
                .any(|word| word == column)
        });
        if !small && !named {
            problems.push(format!("{kind} using {index} where {condition:?}"));
        }
    }
    for child in node["Plans"].as_array().into_iter().flatten() {
        walk(child, columns, problems);
    }
}
