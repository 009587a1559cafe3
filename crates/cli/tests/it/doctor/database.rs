//! Faults of the database, its server and its files.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;

use tm_auth_testing::postgres::{Durability, Postgres};

use super::{expect, migrated};
use crate::full_disk::SmallDisk;
use crate::service::Service;

#[test]
fn r71_a_database_that_cannot_be_used_is_named() {
    let mut service = migrated();
    let path = service.database();
    expect(&service, ("database.schema", "ok", &["up to date"]), &[]);
    expect(&service, ("database.environment", "ok", &[]), &[]);

    let text = service.path("text.db");
    std::fs::write(&text, "not a database, but longer than nothing").expect("the file can be written");
    set_permissions(&text, Permissions::from_mode(0o600)).expect("the mode can be set");
    let unread = ["database.integrity", "database.environment", "keys.signing"];
    let not_read = |service: &mut Service, path: &str, part: &str| {
        service.set("DATABASE__PATH", path);
        expect(service, ("database.schema", "fail", &[path, part]), &unread);
    };
    not_read(&mut service, &text.display().to_string(), "not a SQLite database");
    service.set("DATABASE__PATH", "/nonexistent/tm-auth.db");
    let missing = (
        "database.schema",
        "fail",
        ["/nonexistent", "create it"].as_slice(),
    );
    expect(&service, missing, &["database.writes"]);

    service.set("DATABASE__PATH", &path.display().to_string());
    let running = service.start();
    running.terminate();
    running.wait();
    service.set("ENVIRONMENT", "production");
    service.set("PUBLIC_URL", "https://localhost/v1/auth");
    let other = ("database.environment", "fail", ["uat", "production"].as_slice());
    // The environment is part of what is sealed.
    expect(
        &service,
        other,
        &["keys.signing", "network.proxies", "mail.delivery"],
    );
}

#[test]
fn r71_database_files_that_other_users_can_open_are_named() {
    let service = migrated();
    let path = service.database();
    for (mode, level) in [
        (0o600, "ok"),
        (0o666, "warn"),
        (0o640, "warn"),
        (0o604, "warn"),
        (0o400, "ok"),
    ] {
        set_permissions(&path, Permissions::from_mode(mode)).expect("the mode can be set");
        let run = format!("chmod 600 {}", path.display());
        let parts = match level {
            "warn" => vec![run, format!("{mode:o}")],
            _ => Vec::new(),
        };
        let parts: Vec<_> = parts.iter().map(String::as_str).collect();
        expect(&service, ("database.files", level, &parts), &[]);
    }
}

#[test]
fn r71_a_disk_without_space_is_named() {
    let mut service = migrated();
    expect(&service, ("database.writes", "ok", &["free"]), &[]);
    let disk = SmallDisk::mount();
    service.set(
        "DATABASE__PATH",
        &disk.path().join("tm-auth.db").display().to_string(),
    );
    let full = ("database.writes", "fail", ["make room"].as_slice());
    expect(&service, full, &["database.schema"]);
}

#[test]
fn r71_a_wrong_key_encryption_key_is_named() {
    let mut service = Service::new();
    service.start().kill();
    expect(&service, ("keys.signing", "ok", &["each opens"]), &[]);
    service.write_kek("kek", 11);
    expect(&service, ("keys.signing", "fail", &["key-encryption key"]), &[]);
    service.write_kek("kek", 7);
    service.set("KEYS__PREVIOUS_KEK_FILE", "");
    expect(&service, ("keys.signing", "ok", &[]), &[]);
}

#[test]
fn r71_a_server_that_may_forget_or_takes_no_writes_is_named() {
    let durable = Postgres::start(Durability::On);
    let mut service = Service::new();
    service.set("DATABASE__PATH", "");
    let database = |service: &mut Service, url: &str, environment: &str| {
        service.set("DATABASE__URL", url);
        service.set("ENVIRONMENT", environment);
        service.set(
            "PUBLIC_URL",
            match environment {
                "uat" => "http://localhost:8080/v1/auth",
                _ => "https://localhost/v1/auth",
            },
        );
        service.set("NETWORK__LISTEN", "127.0.0.1:0");
        service.admin(&["migrate"]);
    };
    let url = durable.database();
    service.set("DATABASE__URL", &url);
    service.set("NETWORK__LISTEN", "127.0.0.1:0");
    expect(&service, ("database.schema", "warn", &["is empty"]), &[]);
    database(&mut service, &url, "uat");
    expect(&service, ("database.schema", "ok", &["up to date"]), &[]);
    expect(&service, ("database.durability", "ok", &[]), &[]);
    expect(&service, ("clock", "ok", &["PostgreSQL"]), &[]);

    let alter = |url: &str, setting: &str| {
        let name = url.rsplit('/').next().expect("the URL has a database");
        durable.psql(url, &format!("ALTER DATABASE {name} SET {setting}"));
    };
    alter(&url, "synchronous_commit = off");
    let off = ["synchronous_commit", "turn on"];
    expect(&service, ("database.durability", "warn", &off), &[]);
    let url = durable.database();
    alter(&url, "synchronous_commit = off");
    database(&mut service, &url, "production");
    let others = ["network.proxies", "mail.delivery"];
    expect(&service, ("database.durability", "fail", &off), &others);
    let forgetful = Postgres::shared().database();
    database(&mut service, &forgetful, "production");
    expect(&service, ("database.durability", "fail", &["fsync"]), &others);

    let url = durable.database();
    database(&mut service, &url, "uat");
    expect(&service, ("database.writes", "ok", &[]), &[]);
    alter(&url, "default_transaction_read_only = on");
    expect(&service, ("database.writes", "fail", &["primary"]), &[]);
    durable.stop();
    let unread = [
        "database.environment",
        "database.writes",
        "database.durability",
        "keys.signing",
    ];
    expect(
        &service,
        ("database.schema", "fail", &["cannot be read"]),
        &unread,
    );
}
