//! The server on a disk of one megabyte that fills up and gets free space again.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;
use tm_auth_client::{ApiError, AuthApi};
use tm_auth_proto::{ErrorCode, TokenResponse};

use crate::service::{Bot, Service, passes_integrity_check, refresh_counter};

/// A file system of 1 MB. Only root can mount it.
pub(crate) struct SmallDisk(TempDir);

impl SmallDisk {
    pub(crate) fn mount() -> Self {
        let folder = TempDir::new().expect("a folder can be created");
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "tmpfs", "-o", "size=1m", "tmpfs"])
            .arg(folder.path());
        let mounted = mount.status().is_ok_and(|status| status.success());
        assert!(
            mounted,
            "cannot mount a file system of 1 MB: run this test as root (scripts/tools says what tests need)"
        );
        Self(folder)
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        Command::new("umount").arg("-l").arg(self.path()).status().ok();
    }
}

/// Mints until the disk is full. Returns the issued tokens and the error.
async fn mint_until_full(api: &AuthApi, bot: &Bot) -> (Vec<TokenResponse>, ApiError) {
    let mut issued = Vec::new();
    loop {
        match bot.mint(api).await {
            Ok(tokens) => issued.push(tokens),
            Err(error) => return (issued, error),
        }
        assert!(issued.len() < 20_000, "the disk is never full");
    }
}

/// Refreshes until the disk is full. A refresh needs less space than a mint, so some may fit after
/// the first mint that does not.
async fn refresh_until_full(api: &AuthApi, mut tokens: TokenResponse) -> ApiError {
    for _ in 0..20_000 {
        match api.refresh(&tokens.refresh_token).await {
            Ok(next) => tokens = next,
            Err(error) => return error,
        }
    }
    panic!("the disk is never full");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn j11_on_a_full_disk_writes_get_503_verification_continues_and_the_service_recovers_without_restart() {
    let disk = SmallDisk::mount();
    let database = disk.path().join("tm-auth.db");
    let mut service = Service::new();
    service.set("DATABASE__PATH", &database.display().to_string());
    let running = service.start();
    let bot = service.new_bot().await;
    let api = service.api();
    let ballast = disk.path().join("ballast");
    // Fill half of the free space with a file that the test deletes later.
    let capacity = 1 << 20;
    let used: u64 = std::fs::read_dir(disk.path())
        .expect("the disk is mounted")
        .map(|entry| {
            entry
                .expect("the folder can be read")
                .metadata()
                .expect("the file exists")
                .len()
        })
        .sum();
    let half = usize::try_from(capacity - used).expect("the disk is small") / 2;
    std::fs::write(&ballast, vec![0; half]).expect("the file fits");

    // An open read transaction keeps SQLite from reusing the WAL, so the disk fills up.
    let reader = rusqlite::Connection::open(&database).expect("the database opens");
    reader
        .execute_batch("BEGIN; SELECT count(*) FROM sessions")
        .expect("the transaction starts");
    let (mut issued, error) = mint_until_full(&api, &bot).await;
    let to_refresh = issued.pop().expect("some mints succeed");
    assert!(!issued.is_empty());
    assert_eq!(
        (error.status(), error.code()),
        (Some(503), Some(ErrorCode::Unavailable)),
        "{error}"
    );
    assert!(error.retry_after().is_some());
    let error = refresh_until_full(&api, to_refresh).await;
    assert_eq!(error.code(), Some(ErrorCode::Unavailable), "{error}");
    let http = reqwest::Client::builder()
        .no_proxy()
        .build()
        .expect("the HTTP client can be built");
    for (path, status) in [("/health/live", 200), ("/health/ready", 503), ("/health", 503)] {
        let answer = http
            .get(format!("{}{path}", api.base_url()))
            .send()
            .await
            .expect("the server answers");
        assert_eq!(answer.status().as_u16(), status, "{path}");
    }
    assert_eq!(api.jwks().await.expect("the JWKS is served").keys.len(), 2);
    api.revocations(1 << 20).await.expect("the list is served");
    api.own_api_key(&issued[0].access_token)
        .await
        .expect("the token is valid");

    drop(reader);
    std::fs::remove_file(&ballast).expect("the file exists");
    bot.mint(&api).await.expect("the mint succeeds again");
    for tokens in &issued {
        let next = api
            .refresh(&tokens.refresh_token)
            .await
            .expect("an issued token is stored");
        assert_eq!(refresh_counter(&next), 1);
    }
    api.health().await.expect("the server is healthy");
    drop(running);
    assert!(passes_integrity_check(&database));
}
