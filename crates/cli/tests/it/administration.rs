//! Administrative commands beside a running server, their words and exit codes.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use tm_auth_client::AuthApi;
use tm_auth_proto::{CompactJws, ErrorCode, TokenResponse};

use crate::dev::Dev;
use crate::service::{Service, claims, generation, is_sound, refusal};

fn kid(tokens: &TokenResponse) -> String {
    let header = CompactJws::parse(&tokens.access_token).expect("a JWS").header;
    header.kid.expect("tokens name their key")
}

async fn published(api: &AuthApi) -> Vec<String> {
    let set = api.jwks().await.expect("it is served");
    set.keys.into_iter().map(|key| key.kid).collect()
}

/// Asks until it is so. The server takes over what a command changed within its poll.
async fn soon(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let begun = Instant::now();
    while !is_so().await {
        assert!(begun.elapsed() < Duration::from_secs(5), "{what}: not within 5 s");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn j21_a_second_server_is_refused_and_commands_work_beside_the_first() {
    let service = Service::new();
    let running = service.start();
    let line = service.failure(&["serve"]);
    assert!(line.contains("another tm-auth server is using"), "{line}");
    assert!(line.contains("tm-auth.db"), "{line}");

    let uid = service.account();
    let bot = service.bot(uid, &service.management_token(uid)).await;
    let tokens = bot.mint(&service.api()).await.expect("the first one serves on");
    assert!(service.admin(&["accounts", "list"]).contains(&format!("{uid} ")));
    service.admin(&["doctor"]);
    service.admin(&["accounts", "disable", &uid.to_string()]);
    // The database decides, whatever the server has in memory: at once.
    let refused = service.api().refresh(&tokens.refresh_token).await;
    assert_eq!(refusal(refused), Some(ErrorCode::AccountDisabled));
    assert_eq!(
        refusal(bot.mint(&service.api()).await),
        Some(ErrorCode::AccountDisabled)
    );
    // Tokens that are out there already: with the server's poll.
    soon("the token is refused", async || {
        refusal(service.api().own_api_key(&tokens.access_token).await) == Some(ErrorCode::InvalidToken)
    })
    .await;
    assert!(service.admin(&["accounts", "list"]).contains(" disabled "));
    service.admin(&["accounts", "enable", &uid.to_string()]);
    bot.mint(&service.api()).await.expect("it may act again");
    drop(running);
    // Killed, not stopped: the next one starts all the same.
    service.start();
}

/// Without SQLite's locks the next command takes the database for unused, and removes the server's files as it
/// closes them.
#[test]
fn j21_a_sandbox_that_looks_through_its_folder_keeps_the_databases_locks() {
    let dev = Dev::start(&[]);
    // proc_locks(5) names the holder and the file's inode.
    let locks = fs::read_to_string("/proc/locks").expect("Linux has it");
    for name in ["tm-auth.db", "tm-auth.db-shm"] {
        let file = fs::metadata(dev.folder().join(name)).expect("the server has it open");
        let (pid, inode) = (format!(" {} ", dev.pid()), format!(":{} ", file.ino()));
        let mut posix = locks.lines().filter(|line| line.contains(" POSIX "));
        let held = posix.any(|line| line.contains(&pid) && line.contains(&inode));
        assert!(held, "{name} in:\n{locks}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn b03_a_revoked_signing_key_is_gone_within_5_s_and_the_spare_signs() {
    let service = Service::new();
    let _running = service.start();
    let bot = service.new_bot().await;
    let api = service.api();
    let old = bot.mint(&api).await.expect("it mints");
    let before = published(&api).await;
    assert_eq!(before.len(), 2, "one signs, one is spare");
    let (old_kid, spare) = (
        kid(&old),
        before.iter().find(|name| **name != kid(&old)).expect("the spare"),
    );
    let unknown = service.failure(&["signing-keys", "revoke", "no-such-key"]);
    assert!(unknown.contains("no-such-key"), "{unknown}");

    service.admin(&["signing-keys", "revoke", &old_kid]);
    soon("the key is gone", async || {
        !published(&api).await.contains(&old_kid)
    })
    .await;
    assert_eq!(
        refusal(api.own_api_key(&old.access_token).await),
        Some(ErrorCode::InvalidToken)
    );
    let new = bot.mint(&api).await.expect("it mints");
    assert_eq!(&kid(&new), spare, "verifiers have had it all along");
    api.own_api_key(&new.access_token).await.expect("it holds");
    assert_eq!(published(&api).await.len(), 2, "there is a spare again");
    // Sessions have nothing to do with signing keys.
    let refreshed = api
        .refresh(&old.refresh_token)
        .await
        .expect("the session goes on");
    assert_eq!(&kid(&refreshed), spare);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signing_keys_are_listed_and_not_rotated_before_verifiers_know_the_next() {
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
async fn keys_are_sealed_anew_beside_the_server_and_the_old_key_encryption_key_can_go() {
    let mut service = Service::new();
    let running = service.start();
    let bot = service.new_bot().await;
    let first = bot.mint(&service.api()).await.expect("it mints");
    let published_before = published(&service.api()).await;
    drop(running);

    service.write_kek("new-kek", 11);
    let (new, old) = (service.path("new-kek"), service.path("kek"));
    service.set("KEYS__KEK_FILE", &new.display().to_string());
    let wrong = service.failure(&["doctor"]);
    assert!(wrong.contains("key-encryption key"), "{wrong}");
    service.set("KEYS__PREVIOUS_KEK_FILE", &old.display().to_string());
    let running = service.start();
    let told = service.admin(&["signing-keys", "reseal"]);
    assert!(told.starts_with("3 keys sealed anew"), "{told}");
    service.admin(&["doctor"]);
    let second = service
        .api()
        .refresh(&first.refresh_token)
        .await
        .expect("it serves on");
    drop(running);

    service.set("KEYS__PREVIOUS_KEK_FILE", "");
    std::fs::remove_file(old).expect("it is of no more use");
    service.admin(&["doctor"]);
    let _running = service.start();
    assert_eq!(
        published(&service.api()).await,
        published_before,
        "the keys are the same"
    );
    service
        .api()
        .refresh(&second.refresh_token)
        .await
        .expect("and so are the sessions");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn j16_a_backup_is_restored_to_an_empty_host() {
    let service = Service::new();
    let running = service.start();
    let bot = service.new_bot().await;
    let api = service.api();
    let before = bot.mint(&api).await.expect("it mints");
    let copy = service.path("copy.db");
    let told = service.admin(&["backup", &copy.display().to_string()]);
    assert_eq!(told, copy.display().to_string());
    let twice = service.failure(&["backup", &copy.display().to_string()]);
    assert!(twice.contains("exists already"), "{twice}");
    // What comes after the backup is lost with the host.
    let went_on = api
        .refresh(&before.refresh_token)
        .await
        .expect("the session goes on");
    let challenge = bot.challenge();
    let lost = api.mint(&challenge).await.expect("it mints");
    drop(running);
    assert!(is_sound(&copy));

    for ending in ["", "-wal", "-shm"] {
        let mut path = service.database().into_os_string();
        path.push(ending);
        std::fs::remove_file(path).ok();
    }
    std::fs::rename(&copy, service.database()).expect("one file is all there is");
    let output = service.run(&["recovered"]);
    assert_eq!(output.status.code(), Some(0));
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(told.contains("are refused; 0 sessions ended"), "{told}");
    let warned = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(warned.contains("revoke it again"), "{warned}");

    let running = service.start();
    let api = service.api();
    let next = api
        .refresh(&went_on.refresh_token)
        .await
        .expect("a token that the backup has never seen");
    assert_eq!((generation(&next), claims(&next).sid), (2, claims(&before).sid));
    let replay = api.mint(&challenge).await;
    assert_eq!(
        refusal(replay),
        Some(ErrorCode::ChallengeBeforeRecovery),
        "no second session for one signature"
    );
    let gone = api.refresh(&lost.refresh_token).await;
    assert_eq!(refusal(gone), Some(ErrorCode::SessionExpired), "never reuse");

    // Beside the running server, for those who would rather sign in again.
    let told = service.admin(&["recovered", "--end-sessions"]);
    assert!(told.ends_with("1 sessions ended"), "{told}");
    assert_eq!(
        refusal(api.refresh(&next.refresh_token).await),
        Some(ErrorCode::SessionEnded)
    );
    soon("old tokens are refused", async || {
        refusal(api.own_api_key(&next.access_token).await) == Some(ErrorCode::InvalidToken)
    })
    .await;
    drop(running);
}

#[tokio::test]
async fn a_database_is_planned_made_and_looked_after_by_commands_alone() {
    let service = Service::new();
    for arguments in [
        ["doctor"].as_slice(),
        &["accounts", "list"],
        &["accounts", "create"],
        &["signing-keys", "list"],
    ] {
        let line = service.failure(arguments);
        assert!(
            line.contains("tm-auth migrate"),
            "{arguments:?} names the way out: {line}"
        );
    }
    assert_eq!(
        service.admin(&["migrate", "--plan"]),
        "pending 0001_initial\npending 0002_people"
    );
    assert!(!service.database().exists(), "a plan makes nothing");
    assert_eq!(
        service.admin(&["migrate"]),
        "running 0001_initial\nrunning 0002_people"
    );
    for arguments in [["migrate", "--plan"].as_slice(), &["migrate"]] {
        assert_eq!(service.admin(arguments), "the schema is up to date");
    }
    let checked = service.admin(&["doctor"]);
    assert!(checked.lines().all(|line| line.starts_with("ok  ")), "{checked}");

    let uid = service.admin(&["accounts", "create", "--email", "owner@example.com"]);
    let taken = service.failure(&["accounts", "create", "--email", "owner@example.com"]);
    assert!(taken.contains("another account"), "{taken}");
    service.failure(&["accounts", "create", "--email", "nobody"]);
    let listed = service.admin(&["accounts", "list"]);
    assert!(
        listed.starts_with(&uid) && listed.ends_with("active owner@example.com"),
        "{listed}"
    );
    let nobody = "00000000-0000-4000-8000-000000000000";
    for verb in ["disable", "enable", "session"] {
        let line = service.failure(&["accounts", verb, nobody]);
        assert!(line.contains(nobody), "{line}");
    }
    // What is no command at all is another exit code.
    assert_eq!(service.run(&["accounts", "disable"]).status.code(), Some(2));
    assert_eq!(service.run(&["acounts"]).status.code(), Some(2));
}
