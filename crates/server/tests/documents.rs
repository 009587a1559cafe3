//! The documents and the code say the same.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use tm_auth_server::Config;
use tm_auth_server::rate_limits::budgets::{Budget, QUEUES, TABLES};

/// Random, and used nowhere but here.
const KEK: &str = "mZ3kqJ0yXw1Jd0o5m1sH8v2QbWc7RrT4uYfEeLxNaP8=";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The lines of a document from this heading up to the next one of the same level.
fn section<'a>(document: &'a str, heading: &'a str) -> impl Iterator<Item = &'a str> {
    let level = heading.split(' ').next().unwrap().len();
    document
        .lines()
        .skip_while(move |line| *line != heading)
        .skip(1)
        .take_while(move |line| !line.starts_with(&format!("{} ", "#".repeat(level))))
}

/// The cells of each row whose first cell is code.
fn rows<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<Vec<&'a str>> {
    lines
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect()
}

fn code(cell: &str) -> &str {
    cell.trim_matches('`')
}

/// The configuration with one more setting, on both kinds of settings that exclude others.
fn load(setting: &str, value: &str) -> Result<Config, tm_auth_server::config::ConfigError> {
    let base = [
        ("environment", "production"),
        ("public_url", "https://api.truemarkets.co/v1/auth"),
        ("database.url", "postgres://role:password@127.0.0.1/tm_auth"),
        ("keys.kek", KEK),
        ("mail.mode", "smtp"),
        ("mail.host", "smtp.example.com"),
        ("mail.from", "no-reply@example.com"),
    ];
    let settings = base
        .into_iter()
        .filter(|(other, _)| *other != setting)
        .chain([(setting, value)]);
    let variable = |name: &str| format!("TM_AUTH__{}", name.replace('.', "__").to_uppercase());
    Config::load(
        None,
        settings.map(|(name, value)| (variable(name), value.to_owned())),
    )
}

/// The settings below this prefix. An unknown key is refused with a list of those that are known;
/// what is not a section refuses it for another reason.
fn accepted(prefix: &str) -> BTreeSet<String> {
    let below = |name: &str| format!("{prefix}{}{name}", if prefix.is_empty() { "" } else { "." });
    let refusal = load(&below("no_such"), "1").map_or_else(|error| error.to_string(), |_| String::new());
    match refusal.split_once("unknown field `no_such`, expected ") {
        None => BTreeSet::from([prefix.to_owned()]),
        Some((_, known)) => known
            .split('`')
            .skip(1)
            .step_by(2)
            .flat_map(|name| accepted(&below(name)))
            .collect(),
    }
}

#[test]
fn q15_the_documented_budgets_are_those_of_the_code() {
    const BEGIN: &str = "<!-- budgets -->\n";
    const END: &str = "<!-- end of budgets -->";
    let path = root().join("docs/OPERATIONS.md");
    let document = read(&path);
    let (before, rest) = document.split_once(BEGIN).unwrap();
    let (table, after) = rest.split_once(END).unwrap();
    let expected = format!("\n{}\n", Budget::table());
    if std::env::var_os("UPDATE_BUDGETS").is_some() {
        fs::write(&path, format!("{before}{BEGIN}{expected}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(table, expected, "run it again with UPDATE_BUDGETS=1");
    // Each setting that a row names is documented.
    let settings: BTreeSet<String> = rows(section(&document, "## Settings"))
        .iter()
        .map(|row| code(row[0]).to_owned())
        .collect();
    for budget in Budget::ALL {
        let row = budget.row();
        for setting in row.limit.split('`').skip(1).step_by(2) {
            assert!(settings.contains(setting), "{budget:?} names {setting}");
        }
    }
}

/// The files of the server that bound something that gathers in memory.
fn bounded(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            bounded(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = read(&path);
            let is_bound = |line: &str| line.contains("const CAPACITY: ") || line.contains("mpsc::channel(");
            if text.lines().any(is_bound) {
                let source = root().join("crates/server/src");
                let name = path.canonicalize().unwrap();
                let name = name.strip_prefix(source.canonicalize().unwrap()).unwrap();
                found.insert(name.display().to_string());
            }
            assert!(
                !text.contains("unbounded_channel("),
                "{}: a queue without a bound",
                path.display()
            );
        }
    }
}

#[test]
fn q15_every_table_that_grows_has_a_budget() {
    let schema = read(&root().join("crates/store/src/sqlite/0001_initial.sql"));
    let tables: BTreeSet<String> = schema
        .lines()
        .filter_map(|line| line.strip_prefix("CREATE TABLE "))
        .map(|line| line.split([' ', '(']).next().unwrap().to_owned())
        // A few rows each, which only operators, migrations and the rotation of keys add.
        .filter(|table| !matches!(table.as_str(), "settings" | "schema_migrations" | "signing_keys"))
        .collect();
    let listed: BTreeSet<String> = TABLES.iter().map(|(table, _)| (*table).to_owned()).collect();
    assert_eq!(tables, listed);
}

#[test]
fn q15_every_queue_in_memory_has_a_budget() {
    let mut found = BTreeSet::new();
    bounded(&root().join("crates/server/src"), &mut found);
    let listed: BTreeSet<String> = QUEUES.iter().map(|(file, _)| (*file).to_owned()).collect();
    assert_eq!(found, listed);
}

#[test]
fn i17_the_documented_settings_are_the_accepted_ones() {
    let document = read(&root().join("docs/OPERATIONS.md"));
    let rows = rows(section(&document, "## Settings"));
    let documented: BTreeSet<String> = rows.iter().map(|row| code(row[0]).to_owned()).collect();
    assert_eq!(rows.len(), documented.len(), "a setting is documented twice");
    let accepted = accepted("");
    let undocumented: Vec<_> = accepted.difference(&documented).collect();
    let invented: Vec<_> = documented.difference(&accepted).collect();
    assert!(
        undocumented.is_empty() && invented.is_empty(),
        "not in docs/OPERATIONS.md: {undocumented:?}; only there: {invented:?}"
    );
}

#[test]
fn i17_the_documented_ranges_are_the_enforced_ones() {
    let document = read(&root().join("docs/OPERATIONS.md"));
    let mut checked = 0;
    for row in rows(section(&document, "## Settings")) {
        let (name, range) = (code(row[0]), row[2]);
        let Some((least, most)) = range
            .split_once(" to ")
            .and_then(|(least, most)| Some((least.parse::<u64>().ok()?, most.parse::<u64>().ok()?)))
        else {
            continue;
        };
        checked += 1;
        let refusals: Vec<String> = [least.checked_sub(1), Some(most + 1)]
            .into_iter()
            .flatten()
            .map(|value| {
                let error = load(name, &value.to_string()).expect_err(&format!("{name} = {value}"));
                assert_eq!(error.key(), Some(name), "{error}");
                error.to_string()
            })
            .collect();
        assert!(
            refusals
                .iter()
                .any(|line| line.contains(&format!("write {least} to {most}"))),
            "{name}: {range}, but: {refusals:?}"
        );
    }
    assert!(checked > 30, "only {checked} ranges were found");
}

/// The message of each event that these crates log.
fn logged(folder: &Path, messages: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            logged(&path, messages);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = read(&path);
            for level in ["error", "warn", "info", "debug", "trace"] {
                let event = format!("tracing::{level}!(");
                messages.extend(source.split(&event).skip(1).map(message));
            }
        }
    }
}

/// The last string literal before the macro's closing parenthesis.
fn message(event: &str) -> String {
    let (mut depth, mut last, mut text) = (1, String::new(), None::<String>);
    for character in event.chars() {
        match (&mut text, character) {
            (Some(literal), '"') => last = std::mem::take(literal),
            (Some(literal), _) => literal.push(character),
            (None, '(') => depth += 1,
            (None, ')') => depth -= 1,
            (None, _) => {}
        }
        if character == '"' {
            text = if text.is_some() { None } else { Some(String::new()) };
        }
        if depth == 0 {
            break;
        }
    }
    last
}

#[test]
fn i11_the_documented_lines_of_the_log_are_the_logged_ones() {
    let mut logged_messages = BTreeSet::new();
    for krate in ["listener", "store", "server", "verifier", "cli"] {
        logged(
            &root().join("crates").join(krate).join("src"),
            &mut logged_messages,
        );
    }
    let document = read(&root().join("docs/LOGGING.md"));
    let documented: BTreeSet<String> = rows(section(&document, "## Lines"))
        .iter()
        .map(|row| code(row[0]).to_owned())
        .collect();
    let undocumented: Vec<_> = logged_messages.difference(&documented).collect();
    let invented: Vec<_> = documented.difference(&logged_messages).collect();
    assert!(
        undocumented.is_empty() && invented.is_empty(),
        "not in docs/LOGGING.md: {undocumented:?}; only there: {invented:?}"
    );
}

/// What a line names in code or as the target of a link.
fn named(line: &str) -> Vec<&str> {
    let code = line.split('`').skip(1).step_by(2);
    let links = line
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split([')', '#']).next());
    code.chain(links).collect()
}

#[test]
fn each_file_that_a_document_names_exists() {
    let root = root();
    let documents = ["", "docs"]
        .into_iter()
        .flat_map(|folder| fs::read_dir(root.join(folder)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    let mut missing = Vec::new();
    for document in documents {
        let folder = document.parent().unwrap();
        let text = read(&document);
        let mut in_block = false;
        for line in text.lines() {
            if line.trim_start().starts_with("```") {
                in_block = !in_block;
            }
            if in_block {
                continue;
            }
            for name in named(line) {
                let Some((first, _)) = name.split_once('/') else {
                    continue;
                };
                // A file is named from the root, from `crates/`, or from the document's own folder.
                let is_file = !first.is_empty()
                    && first != "."
                    && first != "target"
                    && !name.contains([' ', '*', ':'])
                    && (first == ".."
                        || root.join(first).is_dir()
                        || root.join("crates").join(first).is_dir());
                let places = [root.join(name), root.join("crates").join(name), folder.join(name)];
                if is_file && !places.iter().any(|place| place.exists()) {
                    missing.push(format!("{}: {name}", document.file_name().unwrap().display()));
                }
            }
        }
    }
    assert!(missing.is_empty(), "named, but not there: {missing:#?}");
}
