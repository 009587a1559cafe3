//! The server with a standard error that takes nothing. Its log must not take the service down.

use std::fs::{self, File};
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use tm_auth_testing::poll;

use crate::full_disk::SmallDisk;
use crate::service::{Service, free_port, get};
use crate::surroundings::{serves_and_stops, stops};

/// The server with this standard error.
async fn works_with(log: impl Into<Stdio>) {
    let service = Service::new();
    let running = service.start_logging_to(service.command(&["serve"]), log);
    serves_and_stops(&service, running).await;
}

#[tokio::test]
async fn r10_the_service_works_if_its_log_goes_to_dev_full() {
    let full = File::options().write(true).open("/dev/full");
    works_with(full.expect("the device exists")).await;
}

#[tokio::test]
async fn r10_the_service_works_if_the_reader_of_its_log_has_gone() {
    let (reader, writer) = std::io::pipe().expect("a pipe can be created");
    drop(reader);
    works_with(writer).await;
}

#[tokio::test]
async fn r10_the_service_works_and_stops_in_time_if_nobody_reads_its_log() {
    let (reader, mut writer) = std::io::pipe().expect("a pipe can be created");
    // pipe(7): the capacity of a pipe is 64 KiB.
    writer
        .write_all(&vec![b'\n'; 64 * 1024])
        .expect("the pipe takes them");
    works_with(writer).await;
    drop(reader);
}

#[tokio::test]
async fn r10_a_failed_start_ends_if_nobody_reads_its_log() {
    let (reader, mut writer) = std::io::pipe().expect("a pipe can be created");
    writer
        .write_all(&vec![b'\n'; 64 * 1024])
        .expect("the pipe takes them");
    let mut service = Service::new();
    // A certificate is loaded after the log is set up.
    service.set("PUBLIC_URL", "https://localhost/v1/auth");
    service.set("NETWORK__TLS__CERT_FILE", "/nonexistent/certificate.pem");
    service.set("NETWORK__TLS__KEY_FILE", "/nonexistent/key.pem");
    let mut serve = service.command(&["serve"]);
    let mut child = serve.stderr(writer).spawn().expect("the binary starts");
    assert_eq!(child.wait().expect("it ends").code(), Some(1));
    drop(reader);
}

#[tokio::test]
async fn r10_r11_on_a_full_disk_lines_are_lost_counted_and_told_when_there_is_space_again() {
    let disk = SmallDisk::mount();
    let (ballast, log) = (disk.path().join("ballast"), disk.path().join("log"));
    let mut service = Service::new();
    let metrics = ([127, 0, 0, 1], free_port()).into();
    service.set("METRICS__LISTEN", &format!("{metrics}"));
    let file = File::create(&log).expect("the file can be created");
    let mut full = File::create(&ballast).expect("the file can be created");
    while full.write_all(&[0; 4096]).is_ok() {}
    let running = service.start_logging_to(service.command(&["serve"]), file);
    let bot = service.new_bot().await;
    bot.mint(&service.api()).await.expect("the mint succeeds");
    let lost = || {
        let (_, page) = get(metrics, "/metrics");
        let value = page
            .lines()
            .find_map(|line| line.strip_prefix("tm_auth_log_lines_lost_total "));
        value.and_then(|value| value.parse::<u64>().ok())
    };
    // The line of the start, and one of each request.
    poll::until("lost lines are counted", Duration::from_mins(1), || {
        lost().filter(|lost| *lost >= 3)
    });
    fs::remove_file(&ballast).expect("the file exists");
    drop(full);
    bot.mint(&service.api()).await.expect("the mint succeeds");
    poll::until("lost lines are told", Duration::from_mins(1), || {
        let text = fs::read_to_string(&log).expect("the log can be read");
        text.lines()
            .any(|line| line.contains("lines of the log were lost") && line.contains(r#""lines":"#))
            .then_some(())
    });
    // Whole lines.
    for line in fs::read_to_string(&log).expect("the log can be read").lines() {
        serde_json::from_str::<serde_json::Value>(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    }
    stops(running);
}

#[tokio::test]
async fn r10_the_sandbox_starts_if_its_log_goes_to_dev_full() {
    let folder = tempfile::TempDir::new().expect("a folder can be created");
    let full = File::options()
        .write(true)
        .open("/dev/full")
        .expect("the device exists");
    let address = ([127, 0, 0, 1], free_port()).into();
    let mut command: Command = crate::dev::tm_auth();
    command
        .args(["dev", "--listen", &format!("{address}"), "--data"])
        .arg(folder.path());
    let mut child = command
        .env("TM_AUTH__LOG__LEVEL", "info")
        .stdout(Stdio::null())
        .stderr(full)
        .spawn()
        .expect("the binary starts");
    poll::until("the sandbox is ready", Duration::from_mins(1), || {
        assert_eq!(child.try_wait().expect("it can be watched"), None, "it ended");
        (get(address, "/v1/auth/health/ready").0 == 200).then_some(())
    });
    child.kill().expect("it can be killed");
    child.wait().expect("it ends");
}
