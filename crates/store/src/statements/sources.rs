//! The statements in the sources of this crate.

use std::fs;
use std::path::{Path, PathBuf};

/// Files whose statements serve the schema and the settings of a server, not the store's methods.
const OTHERS: &[&str] = &[
    "postgres/schema.rs",
    "postgres/lock_wait.rs",
    "postgres/durability.rs",
    "sqlite/schema.rs",
];

/// A string literal that is a statement.
pub(super) struct Literal {
    /// The file, relative to `src`.
    pub(super) file: String,
    /// The text between the placeholders of `format!`, with single spaces.
    pub(super) pieces: Vec<String>,
}

impl Literal {
    /// Whether the statement could have come from this literal.
    pub(super) fn matches(&self, statement: &str) -> bool {
        let Some((first, others)) = self.pieces.split_first() else {
            return false;
        };
        let Some(mut rest) = statement.strip_prefix(first.as_str()) else {
            return false;
        };
        for piece in others {
            match rest.find(piece.as_str()) {
                Some(at) => rest = &rest[at + piece.len()..],
                None => return false,
            }
        }
        rest.is_empty() || self.pieces.last().is_some_and(String::is_empty)
    }
}

/// With single spaces, so that a literal over several lines equals its statement.
pub(super) fn single_spaced(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len());
    for character in sql.chars() {
        if !character.is_whitespace() {
            out.push(character);
        } else if !out.ends_with(' ') {
            out.push(' ');
        }
    }
    out
}

/// All literals of the sources that are statements.
pub(super) fn statements() -> Vec<Literal> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    gather(&root, &mut files);
    files.sort();
    let mut found = Vec::new();
    for path in files {
        let file = path
            .strip_prefix(&root)
            .expect("below src")
            .to_string_lossy()
            .into_owned();
        if OTHERS.contains(&file.as_str()) {
            continue;
        }
        let source = fs::read_to_string(&path).expect("a source file");
        for literal in literals(&source) {
            let verb = literal.trim_start().split(' ').next().unwrap_or_default();
            if matches!(verb, "SELECT" | "INSERT" | "UPDATE" | "DELETE" | "WITH") {
                let pieces = pieces(&single_spaced(literal.trim()));
                found.push(Literal {
                    file: file.clone(),
                    pieces,
                });
            }
        }
    }
    found
}

/// The files of the program, not those of its tests.
fn gather(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of the sources") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            if !matches!(&*name, "tests" | "conformance" | "statements") {
                gather(&path, files);
            }
        } else if name.ends_with(".rs") && name != "tests.rs" {
            files.push(path);
        }
    }
}

/// The string literals of a file, up to its own tests.
fn literals(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let program = source.split("\nmod tests {").next().unwrap_or_default();
    let lines: Vec<&str> = program
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect();
    let program = lines.join("\n").replace("'\"'", "");
    let mut characters = program.chars();
    while let Some(character) = characters.next() {
        if character != '"' {
            continue;
        }
        let mut literal = String::new();
        loop {
            match characters.next() {
                None | Some('"') => break,
                Some('\\') => match characters.next() {
                    // A continued line.
                    Some('\n') | None => literal.push(' '),
                    Some(escaped) => literal.push(escaped),
                },
                Some(other) => literal.push(other),
            }
        }
        found.push(literal);
    }
    found
}

/// Splits at the placeholders of `format!`.
fn pieces(literal: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = literal;
    while let Some((before, behind)) = rest.split_once('{') {
        found.push(before.to_owned());
        rest = behind.split_once('}').map_or("", |(_, behind)| behind);
    }
    found.push(rest.to_owned());
    found
}
