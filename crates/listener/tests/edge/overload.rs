//! More connections than the maximum.

use std::process::Stdio;

use tm_auth_listener::{Capacity, Settings};

use super::application::{Application, HELLO, NETWORK_OVERLOAD, OVERLOAD, capacity, patient, seen};

#[tokio::test]
async fn i02_j12_a_connection_beyond_the_maximum_gets_503_and_the_others_are_served() {
    let server = Application::start(Settings {
        capacity: capacity(2),
        ..patient()
    })
    .await;
    let mut first = server.connect().await;
    first.send(b"GET /gated HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut second = server.connect().await;
    second.send(HELLO).await;
    second.answer().await;
    seen(&server.arrived, 1).await;

    let mut third = server.connect().await;
    let answer = third.rest().await;
    assert_eq!(answer.as_bytes(), OVERLOAD);

    server.gate.add_permits(1);
    assert!(first.answer().await.ends_with("at last"));
    drop(first);
    // The server accepts another connection when it has noticed that the first is closed.
    loop {
        let mut again = server.connect().await;
        again.send(HELLO).await;
        if again.answer().await.starts_with("HTTP/1.1 200") {
            break;
        }
    }
}

#[tokio::test]
async fn q04_a_network_with_its_share_is_told_so_and_a_proxy_is_served() {
    let crowded = |proxies| Settings {
        capacity: Capacity {
            total: 10,
            per_network: 2,
            proxies,
        },
        ..patient()
    };
    let server = Application::start(crowded(Vec::new())).await;
    let mut held = Vec::new();
    for _ in 0..2 {
        let mut client = server.connect().await;
        client.send(HELLO).await;
        assert!(client.answer().await.starts_with("HTTP/1.1 200"));
        held.push(client);
    }
    let mut third = server.connect().await;
    assert_eq!(third.rest().await.as_bytes(), NETWORK_OVERLOAD);

    let server = Application::start(crowded(vec!["127.0.0.0/8".parse().unwrap()])).await;
    for _ in 0..5 {
        let mut client = server.connect().await;
        client.send(HELLO).await;
        assert!(client.answer().await.starts_with("HTTP/1.1 200"));
        held.push(client);
    }
}

/// Set in the process that runs this test with few descriptors.
const FEW_DESCRIPTORS: &str = "TM_AUTH_TEST_FEW_DESCRIPTORS";

/// Runs itself in another process under `ulimit -n`, because the limit applies to a whole process
/// and would affect other tests.
#[test]
fn j12_accepting_survives_running_out_of_descriptors() {
    if std::env::var_os(FEW_DESCRIPTORS).is_some() {
        tokio::runtime::Runtime::new()
            .unwrap()
            .block_on(run_out_of_descriptors());
        return;
    }
    let copy = std::process::Command::new("sh")
        .args(["-c", "ulimit -n 64 && exec \"$0\" --exact \"$1\" --nocapture"])
        .arg(std::env::current_exe().unwrap())
        .arg("overload::j12_accepting_survives_running_out_of_descriptors")
        .env(FEW_DESCRIPTORS, "1")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let output = String::from_utf8_lossy(&copy.stdout);
    assert!(
        copy.status.success() && output.contains("1 passed"),
        "{output}{}",
        String::from_utf8_lossy(&copy.stderr)
    );
}

async fn run_out_of_descriptors() {
    let server = Application::start(patient()).await;
    // The client's sockets use descriptors of the same process, so both sides run out of them.
    let mut clients = Vec::new();
    while let Ok(stream) = tokio::net::TcpStream::connect(server.address).await {
        clients.push(stream);
        assert!(clients.len() < 64);
    }
    // Closing all clients frees descriptors.
    clients.clear();
    for _ in 0..3 {
        let mut client = server.connect().await;
        client.send(HELLO).await;
        assert!(client.answer().await.starts_with("HTTP/1.1 200"));
    }
}
