//! Starts, serves and stops in surroundings that operators really have: few open files, a log that
//! takes nothing, any umask, and an unprivileged user on a read-only root.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::service::{Running, Service};

/// The longest time from SIGTERM to the end of an idle server.
const STOP: Duration = Duration::from_secs(5);

/// Mints, refreshes, fetches a page, and stops the server.
pub(crate) async fn serves_and_stops(service: &Service, running: Running) {
    let bot = service.new_bot().await;
    let api = service.api();
    let tokens = bot.mint(&api).await.expect("the mint succeeds");
    api.refresh(&tokens.refresh_token)
        .await
        .expect("the refresh succeeds");
    assert_eq!(service.get("/v1/auth/health/ready").0, 200);
    let (status, page) = service.get("/sign-in");
    assert_eq!(status, 200, "{page}");
    assert!(page.contains("<html"), "{page}");
    stops(running);
}

/// Stops the server, which must end in time.
pub(crate) fn stops(running: Running) {
    let asked = Instant::now();
    running.terminate();
    assert_eq!(running.wait().code(), Some(0));
    assert!(asked.elapsed() < STOP, "it took {:?}", asked.elapsed());
}

#[tokio::test]
async fn r17_it_starts_serves_and_stops_with_1024_open_files() {
    let mut service = Service::new();
    service.run_by("ulimit -n 1024 && exec \"$@\"");
    let running = service.start_logging_to(service.command(&["serve"]), Stdio::null());
    serves_and_stops(&service, running).await;
}

#[tokio::test]
async fn r17_with_umask_000_no_other_user_can_read_what_it_creates() {
    let mut service = Service::new();
    service.run_by("umask 000 && exec \"$@\"");
    let running = service.start_logging_to(service.command(&["serve"]), Stdio::null());
    let copy = service.path("copy.db").display().to_string();
    service.admin(&["backup", &copy]);
    for file in fs::read_dir(service.path("")).expect("the folder can be read") {
        let file = file.expect("the folder can be read");
        let mode = file.metadata().expect("the file exists").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}: {mode:o}", file.path().display());
    }
    serves_and_stops(&service, running).await;
}

/// The user and group without privileges under which the service runs.
const UNPRIVILEGED: u32 = 65_534;

/// As systemd, Kubernetes and Docker run it: the secret belongs to root and is readable by the
/// service's group, and the service can write nothing but its database's folder.
#[tokio::test]
async fn r17_it_serves_as_an_unprivileged_user_with_a_0440_secret_on_a_read_only_root() {
    let mut service = Service::new();
    // The binary may be in a folder that only its owner can read.
    let program = service.path("tm-auth");
    fs::copy(env!("CARGO_BIN_EXE_tm-auth"), &program).expect("the binary can be copied");
    let data = service.path("data");
    fs::create_dir(&data).expect("the folder can be created");
    let owned_by = |path: &std::path::Path, user, mode| {
        chown(path, Some(user), Some(UNPRIVILEGED)).expect("this test runs as root (scripts/tools)");
        fs::set_permissions(path, Permissions::from_mode(mode)).expect("the mode can be set");
    };
    owned_by(&service.path(""), 0, 0o750);
    owned_by(&service.path("kek"), 0, 0o440);
    owned_by(&program, 0, 0o550);
    owned_by(&data, UNPRIVILEGED, 0o700);
    service.set("DATABASE__PATH", &data.join("tm-auth.db").display().to_string());
    // Fails rather than passes if the surroundings cannot be had.
    service.run_by(format!(
        "test $# -gt 0 || exit 1
         exec unshare --mount sh -ec '
            mount --make-rprivate /
            mount --bind {data} {data}
            mount -o remount,bind,ro /
            shift
            exec setpriv --reuid={UNPRIVILEGED} --regid={UNPRIVILEGED} --clear-groups --no-new-privs sh -ec \"
                ! touch /tmp/tm-auth-read-only 2>/dev/null || {{ echo the root is not read-only >&2; exit 1; }}
                exec {program} \\\"\\$@\\\"
            \" sh \"$@\"
         ' sh \"$@\"",
        data = data.display(),
        program = program.display(),
    ));
    let log = service.path("log");
    let running = service.start_logging_to(
        service.command(&["serve"]),
        File::create(&log).expect("the file can be created"),
    );
    let status = fs::read_to_string(format!("/proc/{}/status", running.id())).expect("it runs");
    assert!(status.contains("Uid:\t65534"), "{status}");
    serves_and_stops(&service, running).await;
}
