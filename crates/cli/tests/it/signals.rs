//! Signals that an operator or the system sends, and restarts.

use std::fs::{self, File};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::Value;
use tm_auth_proto::ErrorCode;
use tm_auth_testing::poll;

use crate::service::{Running, Service, passes_integrity_check};
use crate::surroundings::stops;

/// The server, with its log in the file `log`.
fn start(service: &Service) -> Running {
    let log = File::create(service.path("log")).expect("the file can be created");
    service.start_logging_to(service.command(&["serve"]), log)
}

fn log(service: &Service) -> Vec<Value> {
    let text = fs::read_to_string(service.path("log")).expect("the log can be read");
    let line = |line| serde_json::from_str(line).expect("each line is JSON");
    text.lines().map(line).collect()
}

#[tokio::test]
async fn r14_sighup_does_not_stop_the_server_and_says_what_it_does_not_do() {
    let service = Service::new();
    let running = start(&service);
    running.signal("HUP");
    poll::until("the signal is logged", Duration::from_mins(1), || {
        let told = |line: &Value| {
            line["message"]
                .as_str()
                .is_some_and(|text| text.starts_with("SIGHUP changes nothing"))
        };
        log(&service).iter().any(told).then_some(())
    });
    assert_eq!(service.get("/v1/auth/health/ready").0, 200);
    stops(running);
}

#[tokio::test]
async fn r14_a_stop_its_reason_and_its_end_are_logged() {
    for signal in ["TERM", "INT"] {
        let service = Service::new();
        let running = start(&service);
        running.signal(signal);
        assert_eq!(running.wait().code(), Some(0));
        let lines = log(&service);
        let stopping = lines.iter().find(|line| line["message"] == "stopping");
        let stopping = stopping.expect("the stop is logged");
        assert_eq!(stopping["signal"], format!("SIG{signal}"));
        assert_eq!(lines.last().expect("the log has lines")["message"], "stopped");
    }
}

#[tokio::test]
async fn r15_a_limit_of_file_size_is_like_a_full_disk() {
    let mut service = Service::new();
    service.admin(&["migrate"]);
    service.run_by("exec prlimit --fsize=1000000: \"$@\"");
    let running = start(&service);
    let bot = service.new_bot().await;
    let api = service.api();
    // An open read transaction keeps SQLite from reusing the WAL.
    let reader = service.connection();
    reader
        .execute_batch("BEGIN; SELECT count(*) FROM sessions")
        .expect("the transaction starts");
    let mut issued = Vec::new();
    let error = loop {
        match bot.mint(&api).await {
            Ok(tokens) => issued.push(tokens),
            Err(error) => break error,
        }
        assert!(issued.len() < 20_000, "the limit is never reached");
    };
    assert!(!issued.is_empty());
    assert_eq!(error.code(), Some(ErrorCode::Unavailable), "{error}");
    // The write of the check needs less space than a mint, so some may still fit.
    poll::until("the server is not ready", Duration::from_mins(1), || {
        (service.get("/v1/auth/health/ready").0 == 503).then_some(())
    });
    api.jwks().await.expect("the JWKS is served");
    let raised = Command::new("prlimit")
        .args(["--fsize=unlimited:", "--pid", &running.id().to_string()])
        .status();
    assert!(raised.expect("`prlimit` starts").success());
    for tokens in &issued {
        api.refresh(&tokens.refresh_token)
            .await
            .expect("an issued token is stored");
    }
    assert_eq!(service.get("/v1/auth/health/ready").0, 200);
    drop(reader);
    stops(running);
    assert!(passes_integrity_check(&service.database()));
}

#[tokio::test]
async fn r15_a_command_beyond_the_limit_of_file_size_fails_with_a_message() {
    let mut service = Service::new();
    service.admin(&["migrate"]);
    service.run_by("exec prlimit --fsize=4096 \"$@\"");
    let message = service.failure(&["backup", "copy.db"]);
    assert!(!message.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r16_a_server_that_is_killed_under_load_can_be_started_again_at_once() {
    let service = Arc::new(Service::new());
    let mut running = service.start_logging_to(service.command(&["serve"]), Stdio::null());
    let bot = service.new_bot().await;
    let done = Arc::new(AtomicBool::new(false));
    let load: Vec<_> = (0..4)
        .map(|_| {
            let (service, done, body) = (Arc::clone(&service), Arc::clone(&done), bot.challenge());
            std::thread::spawn(move || {
                let request = serde_json::to_string(&body).expect("plain JSON");
                while !done.load(Ordering::Relaxed) {
                    // Many idle connections and requests, so that the end of the process takes a while.
                    let idle: Vec<_> = (0..50).map(|_| TcpStream::connect(service.address())).collect();
                    crate::service::post(service.address(), "/v1/auth/api-key/token", &request);
                    drop(idle);
                }
            })
        })
        .collect();
    for _ in 0..20 {
        running.signal("KILL");
        // Does not wait until the killed process has ended.
        let next = service.start_logging_to(service.command(&["serve"]), Stdio::null());
        drop(std::mem::replace(&mut running, next));
    }
    bot.mint(&service.api()).await.expect("the mint succeeds");
    done.store(true, Ordering::Relaxed);
    for thread in load {
        thread.join().expect("the thread ends");
    }
    stops(running);
}
