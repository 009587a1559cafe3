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

/// Sends a mint without reading the answer.
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

/// The tokens in a response with status 200.
fn tokens(answer: &str) -> TokenResponse {
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    serde_json::from_str(answer.split_once("\r\n\r\n").expect("the response has a body").1)
        .expect("the body has tokens")
}

/// The sessions in the database.
fn stored_sessions(service: &Service) -> BTreeSet<SessionId> {
    let db = service.connection();
    let mut statement = db.prepare("SELECT sid FROM sessions").expect("the table exists");
    let rows = statement
        .query_map([], |row| row.get::<_, Vec<u8>>(0))
        .expect("the database answers");
    rows.map(|blob| {
        SessionId(uuid::Uuid::from_slice(&blob.expect("the row can be read")).expect("the id has 16 bytes"))
    })
    .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn j15_after_sigterm_every_request_in_flight_is_answered_and_the_exit_code_is_0() {
    let service = Service::new();
    let running = service.start();
    let bot = service.new_bot().await;
    // The mints below stay in flight while the test holds the write lock.
    let lock = service.connection();
    lock.execute_batch("BEGIN IMMEDIATE").expect("the lock is free");
    let mut in_flight: Vec<TcpStream> = (0..50)
        .map(|_| TcpStream::connect(service.address()).expect("the server listens"))
        .collect();
    for stream in &mut in_flight {
        send_mint(stream, &bot).expect("the request is sent");
    }
    // An answer on a later connection shows that the server has accepted the connections above.
    service.api().jwks().await.expect("the JWKS is served");
    running.terminate();
    let terminated = Instant::now();
    while TcpStream::connect(service.address()).is_ok() {
        assert!(
            terminated.elapsed() < Duration::from_secs(5),
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
    assert!(terminated.elapsed() < Duration::from_secs(10));
    assert_eq!(answered.len(), 50);
    assert_eq!(stored_sessions(&service), answered);
}

/// The results of one client thread.
struct Outcome {
    answered: Vec<SessionId>,
    /// Incomplete responses. There must be none.
    truncated: Vec<String>,
}

/// Mints on one connection after another, until the server accepts none. Counts the answers in
/// `count`.
fn mint_until_refused(service: &Service, bot: &Bot, count: &watch::Sender<u64>) -> Outcome {
    let mut outcome = Outcome {
        answered: Vec::new(),
        truncated: Vec::new(),
    };
    while let Ok(mut stream) = TcpStream::connect(service.address()) {
        while send_mint(&mut stream, bot).is_ok() {
            match read_answer(&mut stream) {
                (answer, Ok(())) => {
                    outcome.answered.push(claims(&tokens(&answer)).sid);
                    count.send_modify(|count| *count += 1);
                }
                // The server closed the idle connection before the request arrived, so it did not
                // process the request. The test checks this when it compares the stored sessions.
                (text, Err(_)) if text.is_empty() => break,
                (part, Err(_)) => {
                    outcome.truncated.push(part);
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
        .expect("the sender exists");
    running.terminate();
    let status = running.wait();
    let outcomes: Vec<Outcome> = load
        .into_iter()
        .map(|thread| thread.join().expect("the thread ends"))
        .collect();
    assert_eq!(status.code(), Some(0));
    assert!(outcomes.iter().all(|outcome| outcome.truncated.is_empty()));
    let answered: BTreeSet<_> = outcomes
        .into_iter()
        .flat_map(|outcome| outcome.answered)
        .collect();
    // Every answered session is stored, and every stored session was answered.
    assert_eq!(stored_sessions(&service), answered);
}

#[tokio::test]
async fn j15_a_stopping_node_fails_readiness_before_it_stops_serving() {
    let mut service = Service::new();
    // The server drains for longer than this test runs. The process is killed when `running` drops.
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
    // The server still serves clients that do not know that it is stopping.
    bot.mint(&api).await.expect("the mint still succeeds");
    api.jwks().await.expect("the JWKS is still served");
}
