//! Administrative commands next to a running server: their effects, messages and exit codes.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use tm_auth_client::AuthApi;
use tm_auth_proto::{CompactJws, ErrorCode, TokenResponse};

use crate::dev::Dev;
use crate::service::{Service, claims, error_code, passes_integrity_check, refresh_counter};

/// The id of the key that signed the access token.
fn kid(tokens: &TokenResponse) -> String {
    let header = CompactJws::parse(&tokens.access_token)
        .expect("the token is a JWS")
        .header;
    header.kid.expect("the header has a key id")
}

/// The ids of the keys in the JWKS.
async fn published_kids(api: &AuthApi) -> Vec<String> {
    let set = api.jwks().await.expect("the JWKS is served");
    set.keys.into_iter().map(|key| key.kid).collect()
}

/// Polls until `holds` returns true. A command's changes reach the server at its next poll.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while !holds().await {
        assert!(
            started.elapsed() < Duration::from_secs(5),
            "{what}: not within 5 s"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn j21_a_second_server_is_refused_and_commands_work_next_to_the_first() {
    let service = Service::new();
    let running = service.start();
    let line = service.failure(&["serve"]);
    assert!(line.contains("another tm-auth server is using"), "{line}");
    assert!(line.contains("tm-auth.db"), "{line}");

    let uid = service.account();
    let bot = service.bot(uid, &service.management_token(uid)).await;
    let tokens = bot
        .mint(&service.api())
        .await
        .expect("the first server still serves");
    assert!(service.admin(&["accounts", "list"]).contains(&format!("{uid} ")));
    service.admin(&["doctor"]);
    service.admin(&["accounts", "disable", &uid.to_string()]);
    // Mints and refreshes read the database, so the change applies at once.
    let refused = service.api().refresh(&tokens.refresh_token).await;
    assert_eq!(error_code(refused), Some(ErrorCode::AccountDisabled));
    assert_eq!(
        error_code(bot.mint(&service.api()).await),
        Some(ErrorCode::AccountDisabled)
    );
    // The server refuses existing access tokens after its next poll.
    eventually("the token is refused", async || {
        error_code(service.api().own_api_key(&tokens.access_token).await) == Some(ErrorCode::InvalidToken)
    })
    .await;
    assert!(service.admin(&["accounts", "list"]).contains(" disabled "));
    service.admin(&["accounts", "enable", &uid.to_string()]);
    bot.mint(&service.api())
        .await
        .expect("the account is enabled again");
    drop(running);
    // Dropping `running` killed the first server without a shutdown. The next server still starts.
    service.start();
}

/// A process loses its POSIX locks on a file when it closes any descriptor of that file. Without
/// SQLite's locks, the next command would consider the database unused and delete the server's WAL
/// files when it closes the database.
#[test]
fn j21_a_sandbox_keeps_its_database_locks_after_it_searched_its_folder() {
    let dev = Dev::start(&[]);
    // A line of proc_locks(5) has the holder's process id and the file's inode.
    let locks = fs::read_to_string("/proc/locks").expect("Linux lists the locks");
    for name in ["tm-auth.db", "tm-auth.db-shm"] {
        let file = fs::metadata(dev.folder().join(name)).expect("the server has the file open");
        let (pid, inode) = (format!(" {} ", dev.pid()), format!(":{} ", file.ino()));
        let mut posix = locks.lines().filter(|line| line.contains(" POSIX "));
        let is_held = posix.any(|line| line.contains(&pid) && line.contains(&inode));
        assert!(is_held, "{name} has no lock in:\n{locks}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b03_a_revoked_signing_key_leaves_the_jwks_within_5_s_and_the_next_key_signs() {
    let service = Service::new();
    let _running = service.start();
    let bot = service.new_bot().await;
    let api = service.api();
    let old = bot.mint(&api).await.expect("the mint succeeds");
    let before = published_kids(&api).await;
    assert_eq!(before.len(), 2, "the JWKS has the signing key and the next one");
    let (old_kid, next_kid) = (
        kid(&old),
        before
            .iter()
            .find(|name| **name != kid(&old))
            .expect("the JWKS has the next key"),
    );
    let unknown = service.failure(&["signing-keys", "revoke", "no-such-key"]);
    assert!(unknown.contains("no-such-key"), "{unknown}");

    service.admin(&["signing-keys", "revoke", &old_kid]);
    eventually("the key leaves the JWKS", async || {
        !published_kids(&api).await.contains(&old_kid)
    })
    .await;
    assert_eq!(
        error_code(api.own_api_key(&old.access_token).await),
        Some(ErrorCode::InvalidToken)
    );
    let new = bot.mint(&api).await.expect("the mint succeeds");
    assert_eq!(&kid(&new), next_kid, "verifiers know this key already");
    api.own_api_key(&new.access_token)
        .await
        .expect("the token is valid");
    assert_eq!(
        published_kids(&api).await.len(),
        2,
        "the JWKS has the new next key"
    );
    // Revoking a signing key does not end sessions.
    let refreshed = api
        .refresh(&old.refresh_token)
        .await
        .expect("the session continues");
    assert_eq!(&kid(&refreshed), next_kid);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signing_keys_are_listed_and_not_rotated_before_verifiers_know_the_next_key() {
    let service = Service::new();
    let _running = service.start();
    let listed = service.admin(&["signing-keys", "list"]);
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!(lines.len(), 3, "{listed}");
    for (purpose, state) in [
        ("access_token ES256", "signing"),
        ("access_token ES256", "published"),
        ("refresh_token HS256", "signing"),
    ] {
        let count = lines
            .iter()
            .filter(|line| line.contains(&format!("{purpose} {state} ")))
            .count();
        assert_eq!(count, 1, "{purpose} {state}: {listed}");
    }
    let too_early = service.failure(&["signing-keys", "rotate"]);
    assert!(too_early.contains("may sign from"), "{too_early}");
    assert_eq!(
        service.admin(&["signing-keys", "list"]),
        listed,
        "nothing changed"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_rewrapped_next_to_the_server_and_the_old_key_encryption_key_can_be_removed() {
    let mut service = Service::new();
    let running = service.start();
    let bot = service.new_bot().await;
    let first = bot.mint(&service.api()).await.expect("the mint succeeds");
    let published_before = published_kids(&service.api()).await;
    drop(running);

    service.write_kek("new-kek", 11);
    let (new, old) = (service.path("new-kek"), service.path("kek"));
    service.set("KEYS__KEK_FILE", &new.display().to_string());
    let wrong = service.failure(&["doctor"]);
    assert!(wrong.ends_with("failed: keys.signing"), "{wrong}");
    service.set("KEYS__PREVIOUS_KEK_FILE", &old.display().to_string());
    let running = service.start();
    let output = service.admin(&["signing-keys", "rewrap"]);
    assert!(output.starts_with("3 keys rewrapped"), "{output}");
    service.admin(&["doctor"]);
    let second = service
        .api()
        .refresh(&first.refresh_token)
        .await
        .expect("the session continues");
    drop(running);

    service.set("KEYS__PREVIOUS_KEK_FILE", "");
    std::fs::remove_file(old).expect("the file exists");
    service.admin(&["doctor"]);
    let _running = service.start();
    assert_eq!(
        published_kids(&service.api()).await,
        published_before,
        "the keys are the same"
    );
    service
        .api()
        .refresh(&second.refresh_token)
        .await
        .expect("the session continues");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn j16_a_backup_is_restored_to_an_empty_host() {
    let service = Service::new();
    let running = service.start();
    let bot = service.new_bot().await;
    let api = service.api();
    let before = bot.mint(&api).await.expect("the mint succeeds");
    let copy = service.path("copy.db");
    let output = service.admin(&["backup", &copy.display().to_string()]);
    assert_eq!(output, copy.display().to_string());
    let second_backup = service.failure(&["backup", &copy.display().to_string()]);
    assert!(second_backup.contains("exists already"), "{second_backup}");
    // Writes after the backup are lost with the host.
    let refreshed = api
        .refresh(&before.refresh_token)
        .await
        .expect("the session continues");
    let challenge = bot.challenge();
    let lost = api.mint(&challenge).await.expect("the mint succeeds");
    drop(running);
    assert!(passes_integrity_check(&copy));

    for suffix in ["", "-wal", "-shm"] {
        let mut path = service.database().into_os_string();
        path.push(suffix);
        std::fs::remove_file(path).ok();
    }
    std::fs::rename(&copy, service.database()).expect("the copy can be moved");
    let output = service.run(&["post-restore"]);
    assert_eq!(output.status.code(), Some(0));
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(stdout.contains("are refused; 0 sessions ended"), "{stdout}");
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(stderr.contains("Repeat them"), "{stderr}");

    let running = service.start();
    let api = service.api();
    let next = api
        .refresh(&refreshed.refresh_token)
        .await
        .expect("a token newer than the backup is accepted");
    assert_eq!(
        (refresh_counter(&next), claims(&next).sid),
        (2, claims(&before).sid)
    );
    let replay = api.mint(&challenge).await;
    assert_eq!(
        error_code(replay),
        Some(ErrorCode::ChallengeBeforeRecovery),
        "a signature opens at most one session"
    );
    let refused = api.refresh(&lost.refresh_token).await;
    assert_eq!(
        error_code(refused),
        Some(ErrorCode::SessionExpired),
        "not reported as reuse"
    );

    // The old name of the command still works, also while the server runs.
    let output = service.admin(&["recovered", "--end-sessions"]);
    assert!(output.ends_with("1 sessions ended"), "{output}");
    assert_eq!(
        error_code(api.refresh(&next.refresh_token).await),
        Some(ErrorCode::SessionEnded)
    );
    eventually("old tokens are refused", async || {
        error_code(api.own_api_key(&next.access_token).await) == Some(ErrorCode::InvalidToken)
    })
    .await;
    drop(running);
}

#[tokio::test]
async fn commands_alone_plan_create_and_administer_a_database() {
    let service = Service::new();
    for arguments in [
        ["accounts", "list"].as_slice(),
        &["accounts", "create"],
        &["signing-keys", "list"],
    ] {
        let line = service.failure(arguments);
        assert!(
            line.contains("tm-auth migrate"),
            "{arguments:?} says what to do: {line}"
        );
    }
    let fresh = service.admin(&["doctor"]);
    assert!(fresh.contains("\nwarn  database.schema: "), "{fresh}");
    assert_eq!(service.admin(&["migrate", "--plan"]), "pending 0001_initial");
    assert!(!service.database().exists(), "--plan creates nothing");
    assert_eq!(service.admin(&["migrate"]), "running 0001_initial");
    for arguments in [["migrate", "--plan"].as_slice(), &["migrate"]] {
        assert_eq!(service.admin(arguments), "the schema is up to date");
    }
    let checked = service.admin(&["doctor"]);
    // The limit of open files depends on the machine.
    let is_ok = |line: &str| line.starts_with("ok  ") || line.starts_with("warn  limits.open_files: ");
    assert!(checked.lines().all(is_ok), "{checked}");

    let short = service
        .command(&["doctor"])
        .env("TM_AUTH__TOKENS__ACCESS_TTL_SECONDS", "3599")
        .output()
        .expect("the binary starts");
    let short = String::from_utf8_lossy(&short.stdout).into_owned();
    assert!(
        short.contains("warn  tokens.lifetime: access tokens live 3599 s"),
        "{short}"
    );

    let uid = service.admin(&["accounts", "create", "--email", "owner@example.com"]);
    let taken = service.failure(&["accounts", "create", "--email", "owner@example.com"]);
    assert!(taken.contains("another account"), "{taken}");
    service.failure(&["accounts", "create", "--email", "owner"]);
    let listed = service.admin(&["accounts", "list"]);
    assert!(
        listed.starts_with(&uid) && listed.ends_with("active owner@example.com"),
        "{listed}"
    );
    let unknown = "00000000-0000-4000-8000-000000000000";
    for verb in ["disable", "enable", "session"] {
        let line = service.failure(&["accounts", verb, unknown]);
        assert!(line.contains(unknown), "{line}");
    }
    // Wrong usage has another exit code.
    assert_eq!(service.run(&["accounts", "disable"]).status.code(), Some(2));
    assert_eq!(service.run(&["acounts"]).status.code(), Some(2));
}

#[test]
fn r26_an_account_is_created_with_the_normal_form_of_its_address() {
    let service = Service::new();
    service.admin(&["migrate"]);
    service.admin(&["accounts", "create", "--email", " Bob <Bob@Example.COM>\n"]);
    let listed = service.admin(&["accounts", "list"]);
    assert!(listed.ends_with(" bob@example.com"), "{listed}");
    for spelling in ["bob@example.com", "BOB@example.com", "<bob\u{ff20}example.com>"] {
        let taken = service.failure(&["accounts", "create", "--email", spelling]);
        assert!(taken.contains("another account"), "{spelling:?}: {taken}");
    }
    let refused = service.failure(&["accounts", "create", "--email", "a@x.com, b@x.com"]);
    assert!(refused.contains("email: must be one address"), "{refused}");
}
