//! Reading and writing the rows of a table, in batches.

use std::fmt::Write;

use aws_lc_rs::digest::{Context, SHA256};

use super::TableContents;
use super::cell::Cell;
use super::file::{Line, Reader};
use super::tables::Table;
use crate::Result;
use crate::sql::value::Value;
use crate::sql::{Columns, Tx};

/// The number of rows per `SELECT`.
const READ: i64 = 1_000;
/// The number of rows per `INSERT`. Their values stay below the parameter limits of both databases.
const WRITE: usize = 200;

/// Counts rows and computes their checksum.
pub(super) struct Checked {
    rows: u64,
    sum: Context,
}

impl Default for Checked {
    fn default() -> Self {
        Self {
            rows: 0,
            sum: Context::new(&SHA256),
        }
    }
}

impl Checked {
    pub(super) fn add(&mut self, line: &str) {
        self.rows += 1;
        self.sum.update(line.as_bytes());
        self.sum.update(b"\n");
    }

    pub(super) fn of(self, table: &Table) -> TableContents {
        let mut sha256 = String::with_capacity(64);
        for byte in self.sum.finish().as_ref() {
            write!(sha256, "{byte:02x}").expect("writing to a string never fails");
        }
        TableContents {
            name: table.name.to_owned(),
            rows: self.rows,
            sha256,
        }
    }
}

/// Reads all rows in the order of their keys. Passes each as a line of the file.
pub(super) async fn read(
    tx: &mut Tx<'_>,
    table: &Table,
    mut each: impl FnMut(&str) -> Result<()>,
) -> Result<()> {
    let columns = names(table.columns.len(), table);
    let key = names(table.key_len, table);
    let first = format!("SELECT {columns} FROM {} ORDER BY {key} LIMIT ?1", table.name);
    let after = placeholders(1, table.key_len);
    let next = format!(
        "SELECT {columns} FROM {} WHERE ({key}) > ({after}) ORDER BY {key} LIMIT ?{}",
        table.name,
        table.key_len + 1
    );
    let mut last: Vec<Cell> = Vec::new();
    loop {
        let mut args: Vec<Value<'_>> = last.iter().map(Cell::value).collect();
        args.push(Value::Integer(READ));
        let sql = if last.is_empty() { &first } else { &next };
        let rows = tx.list(sql, &args, |columns| cells(columns, table)).await?;
        for row in &rows {
            let line = serde_json::Value::Array(row.iter().map(Cell::to_json).collect());
            each(&line.to_string())?;
        }
        let Some(newest) = rows.into_iter().next_back() else {
            return Ok(());
        };
        last = newest;
        last.truncate(table.key_len);
    }
}

/// Reads all rows in the order of their keys, and decodes the given columns of each. Returns their
/// number. `from` is the table, and what the columns need beside it.
pub(crate) async fn walk(
    tx: &mut Tx<'_>,
    table: &Table,
    from: &str,
    columns: &str,
    decode: fn(&mut Columns<'_>) -> Result<()>,
) -> Result<u64> {
    let key = names(table.key_len, table);
    let first = format!("SELECT {key}, {columns} FROM {from} ORDER BY {key} LIMIT ?1");
    let after = placeholders(1, table.key_len);
    let next = format!(
        "SELECT {key}, {columns} FROM {from} WHERE ({key}) > ({after}) ORDER BY {key} LIMIT ?{}",
        table.key_len + 1
    );
    let mut last: Vec<Cell> = Vec::new();
    let mut read = 0;
    loop {
        let mut args: Vec<Value<'_>> = last.iter().map(Cell::value).collect();
        args.push(Value::Integer(READ));
        let sql = if last.is_empty() { &first } else { &next };
        let rows = tx
            .list(sql, &args, |columns| {
                let key = table.columns.iter().take(table.key_len);
                let key = key
                    .map(|(_, kind)| Cell::read(columns, *kind))
                    .collect::<Result<_>>()?;
                decode(columns)?;
                Ok(key)
            })
            .await?;
        read += rows.len() as u64;
        match rows.into_iter().next_back() {
            Some(newest) => last = newest,
            None => return Ok(read),
        }
    }
}

fn cells(columns: &mut Columns<'_>, table: &Table) -> Result<Vec<Cell>> {
    let kinds = table.columns.iter().map(|(_, kind)| *kind);
    kinds.map(|kind| Cell::read(columns, kind)).collect()
}

/// Inserts the rows of the file into this table. Returns the number and checksum that the file
/// states.
pub(super) async fn write(tx: &mut Tx<'_>, table: &Table, file: &mut Reader) -> Result<TableContents> {
    let mut batch: Vec<Cell> = Vec::new();
    loop {
        match file.next(table)? {
            Line::Row(cells) => {
                batch.extend(cells);
                if batch.len() == WRITE * table.columns.len() {
                    insert(tx, table, &batch).await?;
                    batch.clear();
                }
            }
            Line::End(contents) => {
                insert(tx, table, &batch).await?;
                return Ok(contents);
            }
        }
    }
}

async fn insert(tx: &mut Tx<'_>, table: &Table, batch: &[Cell]) -> Result<()> {
    let width = table.columns.len();
    if batch.is_empty() {
        return Ok(());
    }
    let rows: Vec<String> = (0..batch.len() / width)
        .map(|row| format!("({})", placeholders(1 + row * width, width)))
        .collect();
    let sql = format!(
        "INSERT INTO {} ({}) VALUES {}",
        table.name,
        names(width, table),
        rows.join(", ")
    );
    let args: Vec<Value<'_>> = batch.iter().map(Cell::value).collect();
    tx.execute(&sql, &args).await?;
    Ok(())
}

fn names(count: usize, table: &Table) -> String {
    let names: Vec<&str> = table.columns[..count].iter().map(|(name, _)| *name).collect();
    names.join(", ")
}

fn placeholders(first: usize, count: usize) -> String {
    let numbers: Vec<String> = (first..first + count)
        .map(|number| format!("?{number}"))
        .collect();
    numbers.join(", ")
}
