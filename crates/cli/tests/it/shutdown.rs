//! SIGTERM: the server accepts no new connections, finishes the requests in flight and exits with
//! 0.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tm_auth_proto::{SessionId, TokenResponse};
use tokio::sync::watch;

use crate::service::{Bot, Service, claims};

fn send_mint(stream: &mut TcpStream, bot: &Bot) -> std::io::Result<()> {
    let body = serde_json::to_string(&bot.challenge()).expect("plain JSON");
    let request = format!(
        "POST /v1/auth/api-key/token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes())
}

/// Reads one response, head and body, or as much of it as arrives.
fn read_answer(stream: &mut TcpStream) -> (String, std::io::Result<()>) {
    let mut bytes = Vec::new();
    let mut buffer = [0; 8192];
    loop {
        let text = String::from_utf8_lossy(&bytes);
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "));
            if length.is_some_and(|length| length.trim().parse() == Ok(body.len())) {
                return (text.into_owned(), Ok(()));
            }
        }
        match stream.read(&mut buffer) {
            Ok(0) => return (text.into_owned(), Err(std::io::ErrorKind::UnexpectedEof.into())),
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
            Err(error) => return (text.into_owned(), Err(error)),
        }
    }
}

fn tokens(answer: &str) -> TokenResponse {
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    serde_json::from_str(answer.split_once("\r\n\r\n").expect("a body").1).expect("tokens")
}

fn stored(service: &Service) -> BTreeSet<SessionId> {
    let db = service.connection();
    let mut statement = db
        .prepare("SELECT sid FROM sessions")
        .expect("the table is there");
    let rows = statement
        .query_map([], |row| row.get::<_, Vec<u8>>(0))
        .expect("the database answers");
    rows.map(|blob| SessionId(uuid::Uuid::from_slice(&blob.expect("a row")).expect("16 bytes")))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn j15_after_sigterm_every_request_in_flight_is_answered_and_the_exit_code_is_0() {
    let service = Service::new();
    let running = service.start();
    let bot = service.new_bot().await;
    // The test holds the write lock, so the mints below stay in flight until it releases it.
    let lock = service.connection();
    lock.execute_batch("BEGIN IMMEDIATE").expect("the lock is free");
    let mut in_flight: Vec<TcpStream> = (0..50)
        .map(|_| TcpStream::connect(service.address()).expect("the server listens"))
        .collect();
    for stream in &mut in_flight {
        send_mint(stream, &bot).expect("the request is sent");
    }
    service.api().jwks().await.expect("a later request is answered");
    running.terminate();
    let begun = Instant::now();
    while TcpStream::connect(service.address()).is_ok() {
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "the server still accepts connections"
        );
    }
    lock.execute_batch("ROLLBACK").expect("the transaction is open");
    let mut answered = BTreeSet::new();
    for stream in &mut in_flight {
        let (answer, outcome) = read_answer(stream);
        outcome.unwrap_or_else(|error| panic!("{error}: {answer}"));
        assert!(answer.contains("connection: close"), "{answer}");
        answered.insert(claims(&tokens(&answer)).sid);
    }
    assert_eq!(running.wait().code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(10));
    assert_eq!(answered.len(), 50);
    assert_eq!(stored(&service), answered);
}

/// The results of one client thread.
struct Outcome {
    answered: Vec<SessionId>,
    /// Responses that broke off; there must be none.
    torn: Vec<String>,
}

/// Mints on one connection after another, until the server accepts none.
fn mint_until_refused(service: &Service, bot: &Bot, count: &watch::Sender<u64>) -> Outcome {
    let mut outcome = Outcome {
        answered: Vec::new(),
        torn: Vec::new(),
    };
    while let Ok(mut stream) = TcpStream::connect(service.address()) {
        while send_mint(&mut stream, bot).is_ok() {
            match read_answer(&mut stream) {
                (answer, Ok(())) => {
                    outcome.answered.push(claims(&tokens(&answer)).sid);
                    count.send_modify(|count| *count += 1);
                }
                // The request crossed with the close of an idle connection, so it was not
                // processed. The test verifies this at its end.
                (nothing, Err(_)) if nothing.is_empty() => break,
                (part, Err(_)) => {
                    outcome.torn.push(part);
                    break;
                }
            }
        }
    }
    outcome
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn j15_sigterm_under_load_answers_every_write_and_truncates_no_response() {
    let service = Arc::new(Service::new());
    let running = service.start();
    let bot = Arc::new(service.new_bot().await);
    let count = Arc::new(watch::Sender::new(0));
    let load: Vec<_> = (0..16)
        .map(|_| {
            let (service, bot, count) = (Arc::clone(&service), Arc::clone(&bot), Arc::clone(&count));
            std::thread::spawn(move || mint_until_refused(&service, &bot, &count))
        })
        .collect();
    count
        .subscribe()
        .wait_for(|count| *count >= 500)
        .await
        .expect("the sender lives");
    running.terminate();
    let status = running.wait();
    let outcomes: Vec<Outcome> = load
        .into_iter()
        .map(|thread| thread.join().expect("the thread ends"))
        .collect();
    assert_eq!(status.code(), Some(0));
    assert!(outcomes.iter().all(|outcome| outcome.torn.is_empty()));
    let answered: BTreeSet<_> = outcomes
        .into_iter()
        .flat_map(|outcome| outcome.answered)
        .collect();
    // Every answered session is stored, and every stored session was answered.
    assert_eq!(stored(&service), answered);
}

#[tokio::test]
async fn j15_a_stopping_node_fails_readiness_before_it_stops_serving() {
    let mut service = Service::new();
    // Longer than this test; the process is killed at its end.
    service.set("LIMITS__DRAIN_SECONDS", "300");
    let running = service.start();
    let bot = service.new_bot().await;
    let api = service.api();
    api.health().await.expect("the server is ready");
    running.terminate();
    let terminated = Instant::now();
    while api.health().await.is_ok() {
        assert!(
            terminated.elapsed() < Duration::from_secs(30),
            "the server stays ready"
        );
    }
    // Clients that do not know yet are still served.
    bot.mint(&api).await.expect("the mint still succeeds");
    api.jwks().await.expect("the JWKS is still served");
}
