//! What happens after the signal to stop.

use std::time::Duration;

use tm_auth_listener::Settings;
use tokio::net::TcpStream;

use super::application::{Application, HELLO, SHORT, patient, seen};

const GATED: &[u8] = b"GET /gated HTTP/1.1\r\nHost: a\r\n\r\n";

#[tokio::test]
async fn j15_what_is_in_flight_is_finished_and_what_is_idle_is_closed() {
    let mut server = Application::start(patient()).await;
    let mut in_flight = server.connect().await;
    in_flight.send(GATED).await;
    seen(&server.arrived, 1).await;
    let mut idle = server.connect().await;
    idle.send(HELLO).await;
    idle.answer().await;
    let mut silent = server.connect().await;
    let mut half = server.connect().await;
    half.send(b"GET /hello HTTP/1.1\r\nHo").await;
    // When this last request is answered, the server has accepted all connections above.
    let mut last = server.connect().await;
    last.send(HELLO).await;
    last.answer().await;

    let address = server.address;
    server.stop();
    // Idle connections are closed long before their deadlines.
    assert_eq!(idle.rest().await, "");
    assert_eq!(silent.rest().await, "");
    assert_eq!(last.rest().await, "");
    assert!(
        TcpStream::connect(address).await.is_err(),
        "nothing is accepted any more"
    );
    // A request that had partly arrived is answered, and its answer announces the close.
    half.send(b"st: a\r\n\r\n").await;
    let answer = half.rest().await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("connection: close"),
        "{answer}"
    );

    server.gate.add_permits(1);
    let answer = in_flight.rest().await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("at last"),
        "{answer}"
    );
    assert!(answer.contains("connection: close"), "{answer}");
    server.stopped().await;
}

#[tokio::test]
async fn j15_a_request_that_never_ends_is_cut_off() {
    let mut server = Application::start(Settings {
        shutdown: SHORT,
        ..patient()
    })
    .await;
    let mut client = server.connect().await;
    client.send(GATED).await;
    seen(&server.arrived, 1).await;
    server.stop();
    assert_eq!(client.rest().await, "");
    server.stopped().await;
}

/// Clients send requests while the server stops. Every request must be answered, unless an earlier
/// answer on its connection announced the close.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn j15_under_load_every_request_is_answered() {
    let mut server = Application::start(Settings {
        shutdown: Duration::from_secs(10),
        ..patient()
    })
    .await;
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let mut client = server.connect().await;
        clients.spawn(async move {
            let mut answered = 0;
            loop {
                client.send(HELLO).await;
                let answer = client.answer().await;
                assert!(answer.ends_with("hello"), "{answer}");
                answered += 1;
                if answer.contains("connection: close") {
                    return answered;
                }
            }
        });
    }
    // When this request is answered, the load has begun.
    let mut probe = server.connect().await;
    probe.send(HELLO).await;
    probe.answer().await;
    server.stop();
    let mut answered = 0;
    while let Some(client) = clients.join_next().await {
        answered += client.expect("no client may be cut off");
    }
    assert!(answered >= 50, "{answered}");
    server.stopped().await;
}
