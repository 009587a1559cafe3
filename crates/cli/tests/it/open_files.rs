//! Tests that connections stay below the limit of open files, with the real binary.

use std::io::Read;
use std::net::{IpAddr, Ipv4Addr, TcpStream};
use std::time::Duration;

use crate::service::Service;

/// The soft limit of open files that the server is started with.
const SOFT: u32 = 128;
/// The hard limit of open files that the server is started with.
const HARD: u32 = 512;
/// The largest number of connections. The server keeps 96 descriptors for itself and 64 for SQLite.
const CONNECTIONS: usize = HARD as usize - 96 - 64;
/// The largest number of connections of one network.
const PER_NETWORK: usize = CONNECTIONS / 8;

/// A script that runs the binary with these limits.
fn limits() -> String {
    format!("ulimit -Sn {SOFT} && ulimit -Hn {HARD} && exec \"$@\"")
}

#[tokio::test]
async fn q04_idle_connections_of_one_client_do_not_take_the_service_away() {
    let mut service = Service::new();
    let bot = {
        let running = service.start();
        let bot = service.new_bot().await;
        running.terminate();
        assert!(running.wait().success());
        bot
    };
    service.run_by(limits());
    let running = service.start();
    // More idle connections than the soft limit allows, from one address.
    let mut idle = Vec::new();
    let mut refused = 0;
    for _ in 0..(SOFT as usize * 2) {
        let mut stream = TcpStream::connect(service.address()).expect("the kernel accepts");
        stream
            .set_read_timeout(Some(Duration::from_secs(20)))
            .expect("the timeout can be set");
        if idle.len() < PER_NETWORK {
            idle.push(stream);
            continue;
        }
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("the server answers");
        assert!(
            answer.starts_with("HTTP/1.1 503 ") && answer.contains("Your network"),
            "{answer}"
        );
        refused += 1;
    }
    assert_eq!(refused, SOFT as usize * 2 - PER_NETWORK);
    // The server still serves other networks.
    let other_network = reqwest::Client::builder()
        .local_address(IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2)))
        .build()
        .expect("the HTTP client can be built");
    let minted = other_network
        .post(format!("http://{}/v1/auth/api-key/token", service.address()))
        .json(&bot.challenge())
        .send()
        .await
        .expect("the server answers");
    assert_eq!(minted.status(), 200);
    drop(idle);
    drop(running);
}

#[test]
fn q04_doctor_names_the_limit_of_open_files_that_is_needed() {
    let mut service = Service::new();
    service.admin(&["migrate"]);
    service.run_by(limits());
    let output = service.run(&["doctor"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    let line = text.lines().find(|line| line.contains("limits.open_files"));
    let line = line.expect("`doctor` checks the limit");
    assert!(line.starts_with("warn  limits.open_files: "), "{line}");
    assert!(line.contains(&format!(" {CONNECTIONS} of the 10000 ")), "{line}");
    assert!(line.contains("10160"), "{line}");
}
