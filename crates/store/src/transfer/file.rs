//! The file, in lines of JSON.
//!
//! ```text
//! {"tm_auth_export":1,"environment":"uat","at":"2026-11-24T12:00:00Z"}
//! {"table":"settings"}
//! ["environment","uat"]
//! {"end":"settings","rows":1,"sha256":"…"}
//! …
//! {"end":"export"}
//! ```
//!
//! A row is an array of its columns: numbers, texts, and bytes as base64url. The last line shows
//! that the file is complete.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, BufWriter, Lines, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tm_auth_proto::Environment;

use super::TableContents;
use super::cell::Cell;
use super::tables::Table;
use crate::{Result, StoreError};

const FORMAT: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Header {
    tm_auth_export: u32,
    environment: Environment,
    at: Timestamp,
}

#[derive(Serialize, Deserialize)]
struct Begin {
    table: String,
}

#[derive(Serialize, Deserialize)]
struct End {
    #[serde(rename = "end")]
    table: String,
    rows: u64,
    sha256: String,
}

#[derive(Serialize, Deserialize)]
struct Finish {
    #[serde(rename = "end")]
    what: String,
}

const WHOLE: &str = "export";

/// Creates the file. Fails if it exists.
pub(super) fn create(path: &Path) -> Result<File> {
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    file.map_err(|error| StoreError::cannot(format_args!("write {}", path.display()), error))
}

pub(super) struct Writer<'f> {
    out: BufWriter<&'f File>,
}

impl<'f> Writer<'f> {
    /// Starts at the beginning of the file, since an earlier attempt may have written to it.
    pub(super) fn new(file: &'f File) -> Result<Self> {
        file.set_len(0).map_err(unwritable)?;
        let mut start = file;
        start.rewind().map_err(unwritable)?;
        Ok(Self {
            out: BufWriter::new(file),
        })
    }

    pub(super) fn header(&mut self, environment: Environment, at: Timestamp) -> Result<()> {
        self.json(&Header {
            tm_auth_export: FORMAT,
            environment,
            at,
        })
    }

    pub(super) fn begin(&mut self, table: &str) -> Result<()> {
        let table = table.to_owned();
        self.json(&Begin { table })
    }

    pub(super) fn row(&mut self, line: &str) -> Result<()> {
        writeln!(self.out, "{line}").map_err(unwritable)
    }

    pub(super) fn end(&mut self, contents: &TableContents) -> Result<()> {
        self.json(&End {
            table: contents.name.clone(),
            rows: contents.rows,
            sha256: contents.sha256.clone(),
        })
    }

    pub(super) fn finish(mut self) -> Result<()> {
        let what = WHOLE.to_owned();
        self.json(&Finish { what })?;
        self.out.flush().map_err(unwritable)?;
        self.out.get_ref().sync_all().map_err(unwritable)
    }

    fn json(&mut self, line: &impl Serialize) -> Result<()> {
        let line = serde_json::to_string(line).expect("the value serialises to JSON");
        self.row(&line)
    }
}

pub(super) struct Reader {
    lines: Lines<BufReader<File>>,
    number: u64,
}

/// The next line of a table.
pub(super) enum Line {
    Row(Vec<Cell>),
    End(TableContents),
}

impl Reader {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = File::open(path)
            .map_err(|error| StoreError::cannot(format_args!("read {}", path.display()), error))?;
        Ok(Self {
            lines: BufReader::new(file).lines(),
            number: 0,
        })
    }

    pub(super) fn header(&mut self) -> Result<(Environment, Timestamp)> {
        let line = self.line()?;
        let header: Header = self.parse(&line, "is not the beginning of an export")?;
        if header.tm_auth_export != FORMAT {
            return Err(self.wrong(&format!(
                "has format {}, and this version reads {FORMAT}",
                header.tm_auth_export
            )));
        }
        Ok((header.environment, header.at))
    }

    pub(super) fn begin(&mut self, table: &str) -> Result<()> {
        let line = self.line()?;
        let begin: Begin = self.parse(&line, "does not begin a table")?;
        if begin.table == table {
            Ok(())
        } else {
            Err(self.wrong(&format!("begins {}, where {table} belongs", begin.table)))
        }
    }

    pub(super) fn next(&mut self, table: &Table) -> Result<Line> {
        let line = self.line()?;
        if line.starts_with('{') {
            let end: End = self.parse(&line, "does not end a table")?;
            if end.table != table.name {
                return Err(self.wrong(&format!("ends {} within {}", end.table, table.name)));
            }
            return Ok(Line::End(TableContents {
                name: end.table,
                rows: end.rows,
                sha256: end.sha256,
            }));
        }
        let row: Vec<serde_json::Value> = self.parse(&line, "is not a row")?;
        if row.len() != table.columns.len() {
            return Err(self.wrong(&format!("has a wrong number of columns for {}", table.name)));
        }
        let cells = row
            .into_iter()
            .zip(table.columns)
            .map(|(json, (_, kind))| Cell::from_json(json, *kind));
        cells.collect::<Result<_>>().map(Line::Row)
    }

    pub(super) fn finish(&mut self) -> Result<()> {
        let line = self.line()?;
        let finish: Finish = self.parse(&line, "is not the end of the export")?;
        if finish.what != WHOLE || self.lines.next().is_some() {
            return Err(self.wrong("should be the end"));
        }
        Ok(())
    }

    fn line(&mut self) -> Result<String> {
        self.number += 1;
        match self.lines.next() {
            Some(Ok(line)) => Ok(line),
            Some(Err(error)) => Err(self.wrong(&format!("cannot be read: {error}"))),
            None => Err(StoreError::unusable(format!(
                "the file ends after line {}: it is not complete",
                self.number - 1
            ))),
        }
    }

    fn parse<T: for<'d> Deserialize<'d>>(&self, line: &str, what: &str) -> Result<T> {
        serde_json::from_str(line).map_err(|_| self.wrong(what))
    }

    fn wrong(&self, what: &str) -> StoreError {
        StoreError::unusable(format!("line {} of the file {what}", self.number))
    }
}

fn unwritable(error: std::io::Error) -> StoreError {
    StoreError::cannot("write the file", error)
}
