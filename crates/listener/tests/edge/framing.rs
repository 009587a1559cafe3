//! Messages that two parsers could interpret differently are refused, and pipelined messages are
//! kept apart.

use super::application::{Application, HELLO, patient};

const SECOND: &str = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";

/// Sends `request` and another one after it. The server must answer one 400 and close.
async fn refused(server: &Application, request: &str) {
    let answer = server.exchange(format!("{request}{SECOND}").as_bytes()).await;
    let status = answer.split(' ').nth(1);
    assert_eq!(status, Some("400"), "{request:?}: {answer}");
    assert_eq!(answer.matches("HTTP/1.").count(), 1, "{request:?}: {answer}");
}

#[tokio::test]
async fn i05_ambiguous_framing_is_refused_and_the_connection_closed() {
    let server = Application::start(patient()).await;
    for headers in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5, 5",
        "Content-Length: +5",
        "Content-Length: -5",
        "Content-Length: 0x5",
        "Content-Length:",
        "Content-Length: 5 5",
        "Content-Length : 5",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding:\x0bchunked",
        "Host: b",
        "X: a\n Content-Length: 5",
        "X: a\r\n\tfolded",
        "X: a\rContent-Length: 5",
        "X: a\nContent-Length: 5",
        "X: nul\0",
        "No colon",
        ": empty name",
        "Näme: x",
    ] {
        refused(
            &server,
            &format!("POST /echo HTTP/1.1\r\nHost: a\r\n{headers}\r\n\r\n0\r\n\r\n"),
        )
        .await;
    }
}

#[tokio::test]
async fn i05_malformed_request_lines_are_refused() {
    let server = Application::start(patient()).await;
    for request in [
        "GET /hello HTTP/1.1\nHost: a\n\n",
        "GET /hello HTTP/1.1\nHost: a\r\n\r\n",
        "GET /hello HTTP/1.1\r\nHost: a\r\n\n",
        "GET /hello HTTP/1.1\r\n\r\n",
        "GET /hello HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET /hello HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        "GET /hello HTTP/1.2\r\nHost: a\r\n\r\n",
        "GET /hello HTTP/2.0\r\nHost: a\r\n\r\n",
        "GET /hello\r\nHost: a\r\n\r\n",
        "GET  /hello HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET /hel lo HTTP/1.1\r\nHost: a\r\n\r\n",
        "G@T /hello HTTP/1.1\r\nHost: a\r\n\r\n",
        " GET /hello HTTP/1.1\r\nHost: a\r\n\r\n",
        "\x16\x03\x01\x02\0\x01\0\x01\r\n\r\n",
    ] {
        refused(&server, request).await;
    }
}

#[tokio::test]
async fn i03_http_2_is_not_spoken() {
    let server = Application::start(patient()).await;
    let answer = server
        .exchange(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0")
        .await;
    assert!(!answer.contains("200"), "{answer}");
}

#[tokio::test]
async fn i05_each_pipelined_request_is_scanned() {
    let server = Application::start(patient()).await;
    let echo = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nfirst";
    let mut client = server.connect().await;
    client.send(format!("{echo}{SECOND}\r\n{echo}").as_bytes()).await;
    assert!(client.answer().await.ends_with("first"));
    assert!(client.answer().await.ends_with("hello"));
    assert!(client.answer().await.ends_with("first"));

    client
        .send(format!("{echo}GET /hello HTTP/1.1\r\nHost: a\nX: y\r\n\r\n{SECOND}").as_bytes())
        .await;
    assert!(client.answer().await.ends_with("first"));
    let rest = client.rest().await;
    assert!(
        rest.starts_with("HTTP/1.1 400") && rest.matches("HTTP/1.1").count() == 1,
        "{rest}"
    );
}

#[tokio::test]
async fn i05_an_ignored_body_is_not_the_next_request() {
    let server = Application::start(patient()).await;
    let smuggled = SECOND.len();
    let answer = server
        .exchange(
            format!(
                "GET /hello HTTP/1.1\r\nHost: a\r\nContent-Length: {smuggled}\r\n\r\n{SECOND}\
                     GET /peer HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
            )
            .as_bytes(),
        )
        .await;
    assert_eq!(answer.matches("hello").count(), 1, "{answer}");
}

#[tokio::test]
async fn i05_nothing_is_read_behind_a_chunked_body() {
    let server = Application::start(patient()).await;
    let chunked = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let answer = server.exchange(format!("{chunked}{SECOND}").as_bytes()).await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.ends_with("abc"),
        "{answer}"
    );
    assert!(
        answer.contains("connection: close") && answer.matches("HTTP/1.1").count() == 1,
        "{answer}"
    );
}

#[tokio::test]
async fn i05_bytes_that_come_one_by_one_are_the_same_request() {
    let server = Application::start(patient()).await;
    let mut client = server.connect().await;
    client.0.set_nodelay(true).unwrap();
    for byte in b"\r\nPOST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nslowlyGET" {
        client.send(&[*byte]).await;
    }
    assert!(client.answer().await.ends_with("slowl"));
}

#[tokio::test]
async fn i06_the_peer_is_told_to_the_application() {
    let server = Application::start(patient()).await;
    let mut client = server.connect().await;
    client.send(b"GET /peer HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let local = client.0.local_addr().unwrap().to_string();
    assert!(client.answer().await.ends_with(&local));
    // Health checks of some load balancers use HTTP/1.0 without Host.
    assert!(
        server
            .exchange(b"GET /hello HTTP/1.0\r\n\r\n")
            .await
            .ends_with("hello")
    );
    client.send(HELLO).await;
    assert!(client.answer().await.ends_with("hello"));
}
