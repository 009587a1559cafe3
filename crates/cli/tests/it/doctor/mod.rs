//! `tm-auth doctor`: every check once with its fault and once without, in the real program.

mod certificates;
mod clock;
mod database;
mod fakes;
mod mail;
mod network;
mod tls;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::service::Service;

/// A finding that is expected: the check, its level, and parts of its message.
type Expected<'a> = (&'a str, &'a str, &'a [&'a str]);

/// Runs `doctor --json`. Checks that it exits with 1 if, and only if, something fails.
fn findings(service: &Service) -> Vec<(String, String, String)> {
    let output = service.run(&["doctor", "--json"]);
    let stdout = String::from_utf8_lossy(&output.stdout);
    let findings: Vec<Value> = serde_json::from_str(&stdout)
        .unwrap_or_else(|error| panic!("{error}: {stdout}{}", String::from_utf8_lossy(&output.stderr)));
    let text = |finding: &Value, member: &str| finding[member].as_str().expect("is text").to_owned();
    let findings: Vec<_> = findings
        .iter()
        .map(|finding| {
            assert_eq!(
                finding.as_object().map(serde_json::Map::len),
                Some(3),
                "{finding}"
            );
            (
                text(finding, "id"),
                text(finding, "level"),
                text(finding, "message"),
            )
        })
        .collect();
    let fails = findings.iter().any(|(_, level, _)| level == "fail");
    assert_eq!(output.status.code(), Some(i32::from(fails)), "{stdout}");
    for (_, level, message) in &findings {
        assert!(["ok", "warn", "fail"].contains(&level.as_str()), "{stdout}");
        assert!(!message.contains('\n'), "{message:?} is one line");
    }
    findings
}

/// Checks one finding. All other checks but those of `others` must be as in a healthy deployment.
#[track_caller]
fn expect(service: &Service, (id, level, parts): Expected<'_>, others: &[&str]) {
    let findings = findings(service);
    for (found, its_level, message) in &findings {
        // How many files can be open depends on the machine.
        if found == id {
            assert_eq!(its_level, level, "{id}: {message}");
            for part in parts {
                assert!(message.contains(part), "{id}: {message} lacks {part}");
            }
        } else if found != "limits.open_files" && !others.contains(&found.as_str()) {
            assert_eq!(its_level, "ok", "{found}: {message}");
        }
    }
    assert!(
        findings.iter().any(|(found, _, _)| found == id),
        "{id} is missing"
    );
}

/// A deployment whose database has tables.
fn migrated() -> Service {
    let service = Service::new();
    service.admin(&["migrate"]);
    service
}

/// The files of a folder. `-shm` is the memory that readers share.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).expect("the folder can be read");
    entries
        .map(|entry| {
            let path = entry.expect("the folder can be read").path();
            let name = path.display().to_string();
            let content = if name.ends_with("-shm") {
                Vec::new()
            } else {
                fs::read(&path).expect("the file can be read")
            };
            (name, content)
        })
        .collect()
}

#[test]
fn r70_doctor_writes_nothing_and_accepts_what_serve_repairs_by_itself() {
    let service = Service::new();
    let names = || files(&service.path(".")).into_keys().collect::<Vec<_>>();
    let unchanged = |expected: Expected<'_>| {
        let before = files(&service.path("."));
        expect(&service, expected, &[]);
        assert!(files(&service.path(".")) == before, "{expected:?} changed a file");
    };
    unchanged(("database.schema", "warn", &["the first start"]));
    let running = service.start();
    service.account();
    // The server writes, so only the names of the files stay.
    let before = names();
    expect(&service, ("network.listen", "ok", &["running"]), &[]);
    assert_eq!(names(), before);
    running.kill();
    unchanged(("network.listen", "ok", &["free"]));
    let running = service.start();
    running.terminate();
    running.wait();
    unchanged(("clock", "ok", &["newest entry"]));
}

#[test]
fn r70_every_check_has_a_line_though_others_fail_and_operations_lists_them() {
    let mut service = migrated();
    service.set("DATABASE__PATH", "/nonexistent/tm-auth.db");
    service.set("PUBLIC_URL", "http://localhost:1/v1/auth");
    let ids: Vec<_> = findings(&service).into_iter().map(|(id, _, _)| id).collect();
    let document = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/OPERATIONS.md");
    let document = fs::read_to_string(document).expect("the document exists");
    let section = document
        .split("\n## Checks\n")
        .nth(1)
        .expect("it has the section");
    let section = section.split("\n## ").next().expect("a section has an end");
    let listed: Vec<_> = section
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .collect();
    assert_eq!(ids, listed);

    let output = service.run(&["doctor"]);
    let lines = String::from_utf8_lossy(&output.stdout).into_owned();
    let printed: Vec<_> = lines
        .lines()
        .filter_map(|line| {
            line.split([' ', ':'])
                .find(|word| ids.iter().any(|id| id == word))
        })
        .collect();
    assert_eq!(printed, listed, "{lines}");
    assert!(lines.contains("\nfail  database.schema: "), "{lines}");
    let message = service.failure(&["doctor"]);
    assert!(
        message.ends_with("checks failed: database.schema, database.writes"),
        "{message}"
    );
}

#[test]
fn r70_settings_that_cannot_be_read_are_a_finding() {
    let mut service = Service::new();
    service.set("KEYS__KEK_FILE", "/nonexistent");
    let found = findings(&service);
    let [(id, level, message)] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!((id.as_str(), level.as_str()), ("configuration", "fail"));
    assert!(message.contains("keys.kek_file"), "{message}");
}

#[test]
fn r78_limits_that_are_too_low_for_clients_are_named() {
    let mut service = migrated();
    service.run_by("ulimit -n 12000 && exec \"$@\"");
    expect(&service, ("limits.open_files", "ok", &["10000"]), &[]);
    service.run_by("ulimit -Sn 128 && ulimit -Hn 512 && exec \"$@\"");
    expect(&service, ("limits.open_files", "warn", &["10160"]), &[]);
    expect(&service, ("tokens.lifetime", "ok", &["3600"]), &[]);
    service.set("TOKENS__ACCESS_TTL_SECONDS", "3599");
    expect(&service, ("tokens.lifetime", "warn", &["3599 s", "to 3600"]), &[]);
}
