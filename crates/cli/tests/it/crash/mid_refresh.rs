//! Kills the server at the two critical moments of a refresh: before the commit and before the
//! answer.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use tm_auth_proto::SessionId;

use crate::service::{Service, claims, refresh_counter};

/// Sends a refresh without reading the answer.
fn send_refresh(service: &Service, refresh_token: &str) -> TcpStream {
    let body = format!(r#"{{"refresh_token":"{refresh_token}"}}"#);
    let request = format!(
        "POST /v1/auth/token/refresh HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(service.address()).expect("the server listens");
    stream.write_all(request.as_bytes()).expect("the request is sent");
    stream
}

/// The counter of the session's newest token in the database.
fn stored_counter(service: &Service, sid: SessionId) -> i64 {
    let sql = "SELECT current FROM sessions WHERE sid = ?1";
    service
        .connection()
        .query_row(sql, [sid.0.as_bytes()], |row| row.get(0))
        .expect("the session is stored")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e08_after_a_kill_between_commit_and_answer_the_old_token_gets_the_same_successor() {
    let service = Service::new();
    let running = service.start();
    let bot = service.new_bot().await;
    let first = bot.mint(&service.api()).await.expect("the mint succeeds");
    let sid = claims(&first).sid;
    let unread = send_refresh(&service, &first.refresh_token);
    let deadline = Instant::now() + Duration::from_secs(10);
    while stored_counter(&service, sid) == 0 {
        assert!(Instant::now() < deadline, "the refresh is never committed");
    }
    running.kill();
    drop(unread);

    let _running = service.start();
    let second = service
        .api()
        .refresh(&first.refresh_token)
        .await
        .expect("the refresh was committed");
    assert_eq!(
        (refresh_counter(&second), stored_counter(&service, sid)),
        (1, 1),
        "nothing was written"
    );
    let again = service
        .api()
        .refresh(&first.refresh_token)
        .await
        .expect("a retry succeeds too");
    assert_eq!(again.refresh_token, second.refresh_token, "byte for byte");
    let third = service
        .api()
        .refresh(&second.refresh_token)
        .await
        .expect("the session continues");
    assert_eq!((refresh_counter(&third), claims(&third).sid), (2, sid));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn e08_after_a_kill_before_the_commit_the_old_token_is_rotated() {
    let service = Service::new();
    let running = service.start();
    let bot = service.new_bot().await;
    let first = bot.mint(&service.api()).await.expect("the mint succeeds");
    let sid = claims(&first).sid;
    // The server cannot commit while the test holds the write lock.
    let lock = service.connection();
    lock.execute_batch("BEGIN IMMEDIATE").expect("the lock is free");
    let unread = send_refresh(&service, &first.refresh_token);
    // An answer on a later connection shows that the server has accepted the connection above.
    service.api().jwks().await.expect("the JWKS is served");
    running.kill();
    drop(unread);
    lock.execute_batch("ROLLBACK").expect("the transaction is open");
    drop(lock);

    let _running = service.start();
    assert_eq!(stored_counter(&service, sid), 0, "the refresh was not committed");
    let second = service
        .api()
        .refresh(&first.refresh_token)
        .await
        .expect("the token is still the newest");
    assert_eq!((refresh_counter(&second), stored_counter(&service, sid)), (1, 1));
    let third = service
        .api()
        .refresh(&second.refresh_token)
        .await
        .expect("the session continues");
    assert_eq!((refresh_counter(&third), claims(&third).sid), (2, sid));
}
