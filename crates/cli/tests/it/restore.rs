//! Restoring a SQLite backup with the real binary: after a kill under load, over revocations that
//! the backup lacks, and with the modes of every file that it writes.

use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;

use tm_auth_proto::ErrorCode;

use crate::administration::eventually;
use crate::service::{Service, claims, error_code, refresh_counter};

/// The number of sessions before and after the backup.
const SESSIONS: usize = 60;

fn wal(service: &Service) -> u64 {
    let wal = service.path("tm-auth.db-wal");
    fs::metadata(wal).map_or(0, |file| file.len())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r01_after_a_kill_under_load_a_restore_yields_the_sessions_of_the_backup() {
    let service = Service::new();
    let running = service.start();
    let bot = service.new_bot().await;
    let api = service.api();
    let mut saved = Vec::new();
    for _ in 0..SESSIONS {
        saved.push(bot.mint(&api).await.expect("the mint succeeds"));
    }
    let backup = service.path("backup").display().to_string();
    service.admin(&["backup", &backup]);
    let mut lost = Vec::new();
    for _ in 0..SESSIONS {
        lost.push(bot.mint(&api).await.expect("the mint succeeds"));
    }
    let refused = service.failure(&["restore", &backup]);
    assert!(
        refused.contains("a tm-auth server or command is using"),
        "{refused}"
    );
    running.kill();
    assert!(wal(&service) > 0, "the kill leaves a log");

    let output = service.run(&["restore", &backup]);
    let stdout = String::from_utf8_lossy(&output.stdout);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    assert_eq!(stdout.matches("kept ").count(), 3, "{stdout}");
    assert!(stdout.contains("are refused"), "{stdout}");
    assert!(
        stderr.contains("tm-auth post-restore --log FILE --since 2"),
        "{stderr}"
    );
    assert!(stderr.contains("Was a signing key revoked"), "{stderr}");
    assert_eq!(wal(&service), 0, "no log is beside the restored database");
    assert!(service.admin(&["doctor", "--full"]).contains("rows can be read"));

    let running = service.start();
    let api = service.api();
    for tokens in &saved {
        let next = api.refresh(&tokens.refresh_token).await;
        assert_eq!(refresh_counter(&next.expect("the backup has the session")), 1);
    }
    for tokens in &lost {
        let refused = api.refresh(&tokens.refresh_token).await;
        assert_eq!(error_code(refused), Some(ErrorCode::SessionExpired));
    }
    api.health().await.expect("the service is ready");
    drop(running);
    service.admin(&["doctor", "--full"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r04_what_a_backup_lacks_is_repeated_from_the_log() {
    let service = Service::new();
    let running = service.start();
    let api = service.api();
    let uid = service.account();
    let token = service.management_token(uid);
    let revoked = service.bot(uid, &token).await;
    let ended = service.bot(uid, &token).await;
    let disabled = service.new_bot().await;
    let disabled_uid = claims(&disabled.mint(&api).await.expect("the mint succeeds")).uid;
    let session = ended.mint(&api).await.expect("the mint succeeds");
    let listed = service.admin(&["signing-keys", "list"]);
    let kid = listed
        .lines()
        .find(|line| line.contains("access_token ES256 signing"))
        .and_then(|line| line.split(' ').next())
        .expect("a key signs")
        .to_owned();
    let backup = service.path("backup").display().to_string();
    service.admin(&["backup", &backup]);

    // By the owner, by a bot, and by an operator, whose commands have no log of their own.
    api.revoke_api_key(&token, revoked.key_id)
        .await
        .expect("the key is revoked");
    api.revoke(&session.refresh_token)
        .await
        .expect("the session is ended");
    service.admin(&["accounts", "disable", &disabled_uid.to_string()]);
    service.admin(&["signing-keys", "revoke", &kid]);
    let log = service.log();
    for wanted in [
        r#""action":"key_revoked""#,
        r#""action":"session_revoked""#,
        r#""action":"account_disabled""#,
        r#""action":"signing_key_revoked""#,
    ] {
        eventually(wanted, async || {
            fs::read_to_string(&log).is_ok_and(|text| text.contains(wanted))
        })
        .await;
    }
    running.kill();
    service.admin(&["restore", &backup]);
    assert!(
        service.admin(&["signing-keys", "list"]).contains(&kid),
        "it is back"
    );

    let log = log.display().to_string();
    let no_log = service.failure(&["post-restore", "--log", &backup]);
    assert!(no_log.contains("no line with the message `audit`"), "{no_log}");
    let done = service.admin(&["post-restore", "--log", &log]);
    for line in [
        format!("key_revoked uid={uid} key_id={}", revoked.key_id),
        format!("sid={}", claims(&session).sid),
        format!("account_disabled uid={disabled_uid}"),
        format!("kid={kid}"),
    ] {
        let repeated = done.lines().find(|found| found.contains(&line));
        assert!(
            repeated.is_some_and(|found| found.starts_with("repeated: ")),
            "{line}: {done}"
        );
    }
    assert!(
        done.contains("4 changes repeated, 0 were in the database"),
        "{done}"
    );
    let again = service.admin(&["post-restore", "--log", &log]);
    assert!(again.contains("0 changes repeated"), "{again}");

    let _running = service.start();
    let api = service.api();
    assert_eq!(error_code(revoked.mint(&api).await), Some(ErrorCode::KeyRevoked));
    assert_eq!(
        error_code(disabled.mint(&api).await),
        Some(ErrorCode::AccountDisabled)
    );
    assert_eq!(
        error_code(api.refresh(&session.refresh_token).await),
        Some(ErrorCode::SessionEnded)
    );
    let jwks = api.jwks().await.expect("the JWKS is served");
    assert!(!jwks.keys.iter().any(|key| key.kid == kid));
}

#[test]
fn r02_a_damaged_database_is_not_served_and_doctor_says_what_to_do() {
    let service = Service::new();
    drop(service.start());
    service.admin(&["doctor"]);
    let backup = service.path("backup").display().to_string();
    service.admin(&["backup", &backup]);
    let mut bytes = fs::read(&backup).expect("the backup is one file");
    bytes[4096..].fill(0x5a);
    for suffix in ["-wal", "-shm"] {
        fs::remove_file(service.path(&format!("tm-auth.db{suffix}"))).ok();
    }
    fs::write(service.database(), bytes).expect("the file can be written");
    for arguments in [["serve"].as_slice(), &["doctor"], &["doctor", "--full"]] {
        let output = service.run(arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?} must fail");
        let line = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(
            line.contains("damaged") && line.contains("tm-auth restore BACKUP"),
            "{arguments:?}: {line}"
        );
    }
    // The command replaces a damaged database as well.
    service.admin(&["restore", &backup]);
    service.admin(&["doctor", "--full"]);
    drop(service.start());
}

/// Overwrites all pages but the first one, in the same file.
fn overwrite(service: &Service) {
    let path = service.database();
    let length = fs::metadata(&path).expect("the database exists").len();
    let length = usize::try_from(length).expect("the file is small");
    let file = fs::File::options()
        .write(true)
        .open(path)
        .expect("the file opens");
    file.write_all_at(&vec![0x5a; length - 4096], 4096)
        .expect("the file can be written");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r02_damage_under_a_running_server_is_503_and_fails_readiness() {
    let service = Service::new();
    let running = service.start();
    let bot = service.new_bot().await;
    let api = service.api();
    let tokens = bot.mint(&api).await.expect("the mint succeeds");
    // A change by another process, so that the server reads the pages again.
    service.account();
    service
        .connection()
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
        .expect("the checkpoint is done");
    overwrite(&service);
    let refused = api
        .refresh(&tokens.refresh_token)
        .await
        .expect_err("no page can be read");
    assert_eq!(
        (refused.status(), refused.code()),
        (Some(503), Some(ErrorCode::Unavailable)),
        "{refused}"
    );
    let health = api.health().await.expect_err("the service is not ready");
    assert_eq!(health.status(), Some(503), "{health}");
    let log = fs::read_to_string(service.log()).expect("there is a log");
    let told = log
        .lines()
        .filter(|line| line.contains("the database file is damaged: stop"));
    assert_eq!(told.count(), 1, "{log}");
    drop(running);
}

#[test]
fn r01_restoring_postgres_names_its_own_tools() {
    let mut service = Service::new();
    service.set("DATABASE__PATH", "");
    service.set("DATABASE__URL", "postgres://role:password@127.0.0.1:1/tm_auth");
    let line = service.failure(&["restore", "backup"]);
    assert!(
        line.contains("pg_restore") && line.contains("tm-auth post-restore"),
        "{line}"
    );
}

fn assert_private(folder: &Path, except: &str) {
    let mut files = 0;
    for entry in fs::read_dir(folder).expect("the folder can be read") {
        let entry = entry.expect("the folder can be read");
        let mode = entry.metadata().expect("the file is there").permissions().mode() & 0o7777;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name != except {
            assert_eq!(mode, 0o600, "{name} has mode {mode:o}");
            files += 1;
        }
    }
    assert!(files > 3, "{files}");
}

#[test]
fn r05_every_file_is_private_under_umask_000() {
    let mut service = Service::new();
    service.run_by("umask 000 && exec \"$@\"");
    let log = service.log();
    let log = log.file_name().expect("a name").to_string_lossy();
    let running = service.start();
    service.admin(&["accounts", "create"]);
    service.admin(&["backup", "backup"]);
    service.admin(&["export", "--while-serving", "exported"]);
    assert_private(&service.path(""), &log);
    running.kill();
    service.admin(&["restore", "backup"]);
    assert_private(&service.path(""), &log);
    // A database that others could open is closed to them.
    fs::set_permissions(service.database(), fs::Permissions::from_mode(0o666)).expect("the mode is set");
    let warned = service.admin(&["doctor"]);
    assert!(warned.contains("mode 666"), "{warned}");
    let running = service.start();
    assert_private(&service.path(""), &log);
    drop(running);
}
