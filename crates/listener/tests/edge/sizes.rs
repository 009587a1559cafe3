//! A head or body that is too large is refused before the rest of it is read.

use super::application::{Application, BODY_BYTES, patient};

fn post(length: &str) -> Vec<u8> {
    format!("POST /echo HTTP/1.1\r\nHost: a\r\n{length}\r\n\r\n").into_bytes()
}

#[tokio::test]
async fn i01_sixteen_kilobytes_are_taken() {
    let server = Application::start(patient()).await;
    let body = "x".repeat(BODY_BYTES);
    let mut client = server.connect().await;
    client.send(&post(&format!("Content-Length: {BODY_BYTES}"))).await;
    client.send(body.as_bytes()).await;
    let answer = client.answer().await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with(&body));
}

#[tokio::test]
async fn i01_one_byte_more_is_refused_before_it_is_sent() {
    let server = Application::start(patient()).await;
    for length in [(BODY_BYTES + 1).to_string(), "10737418240".to_owned()] {
        // The client sends only the head.
        let answer = server.exchange(&post(&format!("Content-Length: {length}"))).await;
        assert!(
            answer.starts_with("HTTP/1.1 413") && answer.ends_with("body_too_large"),
            "{length}: {answer}"
        );
    }
    // hyper itself refuses a length above its own maximum.
    let answer = server
        .exchange(&post(&format!("Content-Length: {}", u64::MAX)))
        .await;
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
}

#[tokio::test]
async fn i01_a_client_that_sends_too_large_a_body_reads_its_413() {
    let server = Application::start(patient()).await;
    let mut request = post(&format!("Content-Length: {}", BODY_BYTES + 1));
    request.extend(vec![b'x'; BODY_BYTES + 1]);
    for _ in 0..20 {
        let answer = server.exchange(&request).await;
        assert!(
            answer.starts_with("HTTP/1.1 413") && answer.ends_with("body_too_large"),
            "{answer:?}"
        );
    }
}

#[tokio::test]
async fn i01_a_chunked_body_without_end_is_refused() {
    let server = Application::start(patient()).await;
    let mut client = server.connect().await;
    client.send(&post("Transfer-Encoding: chunked")).await;
    let chunk = [&b"1000\r\n"[..], &[b'x'; 0x1000], b"\r\n"].concat();
    let mut sent = 0;
    while client.send(&chunk).await && sent < 20 {
        sent += 1;
    }
    let answer = client.rest().await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn i01_a_client_that_expects_100_continue_gets_413_for_too_large_a_body() {
    let server = Application::start(patient()).await;
    let answer = server
        .exchange(&post("Content-Length: 99999\r\nExpect: 100-continue"))
        .await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    let mut client = server.connect().await;
    client
        .send(&post("Content-Length: 2\r\nExpect: 100-continue"))
        .await;
    assert!(client.answer().await.starts_with("HTTP/1.1 100"));
    client.send(b"hi").await;
    assert!(client.answer().await.ends_with("hi"));
}

#[tokio::test]
async fn i01_a_head_without_end_is_refused() {
    let server = Application::start(patient()).await;
    let mut client = server.connect().await;
    client.send(b"GET /hello HTTP/1.1\r\nHost: a\r\nX: ").await;
    let answer = {
        client.send(&vec![b'x'; 2 * BODY_BYTES]).await;
        client.rest().await
    };
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    let many = "X: y\r\n".repeat(200);
    let answer = server
        .exchange(format!("GET /hello HTTP/1.1\r\nHost: a\r\n{many}\r\n").as_bytes())
        .await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
}

#[tokio::test]
async fn i01_malformed_chunks_are_refused() {
    let server = Application::start(patient()).await;
    let answer = server
        .exchange(&[post("Transfer-Encoding: chunked"), b"zz\r\n".to_vec()].concat())
        .await;
    assert!(answer.starts_with("HTTP/1.1 400"), "{answer}");
}
