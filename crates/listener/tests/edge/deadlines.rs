//! Slow clients are disconnected, and others are served meanwhile.

use std::time::Duration;

use tm_auth_listener::Settings;

use super::application::{Application, CEILING, HELLO, SHORT, patient, seen};

#[tokio::test]
async fn i02_a_connection_that_sends_nothing_is_closed() {
    let server = Application::start(Settings {
        first_byte: SHORT,
        ..patient()
    })
    .await;
    assert_eq!(server.exchange(b"").await, "");
}

#[tokio::test]
async fn i02_empty_lines_do_not_begin_a_request() {
    let server = Application::start(Settings {
        first_byte: SHORT,
        ..patient()
    })
    .await;
    assert_eq!(server.connect().await.drip_until_closed(b'\n').await, "");
}

#[tokio::test]
async fn i02_headers_byte_by_byte_are_cut_off() {
    let server = Application::start(Settings {
        header_read: SHORT,
        ..patient()
    })
    .await;
    let mut client = server.connect().await;
    client.send(b"GET /hello HTTP/1.1\r\nHost: a\r\nX: ").await;
    assert_eq!(client.drip_until_closed(b'x').await, "");
}

#[tokio::test]
async fn i02_headers_byte_by_byte_are_cut_off_in_a_later_request_too() {
    let server = Application::start(Settings {
        header_read: SHORT,
        ..patient()
    })
    .await;
    let mut client = server.connect().await;
    client.send(HELLO).await;
    assert!(client.answer().await.starts_with("HTTP/1.1 200"));
    client.send(b"GET /hello HTTP/1.1\r\nX: ").await;
    assert_eq!(client.drip_until_closed(b'x').await, "");
    // The first request and the beginning of the second arrive together.
    let mut client = server.connect().await;
    client
        .send(&[HELLO, b"GET /hello HTTP/1.1\r\nX: "].concat())
        .await;
    assert!(client.answer().await.starts_with("HTTP/1.1 200"));
    assert_eq!(client.drip_until_closed(b'x').await, "");
}

#[tokio::test]
async fn i02_waiting_between_requests_is_not_being_slow_with_headers() {
    let server = Application::start(Settings {
        header_read: SHORT,
        ..patient()
    })
    .await;
    let mut patient = server.connect().await;
    patient.send(HELLO).await;
    patient.answer().await;
    // When this other connection is closed, the deadline for headers has passed.
    server.connect().await.drip_until_closed(b'G').await;
    patient.send(HELLO).await;
    assert!(patient.answer().await.starts_with("HTTP/1.1 200"));
}

#[tokio::test]
async fn i02_an_idle_connection_is_closed_after_its_keep_alive() {
    let server = Application::start(Settings {
        keep_alive: SHORT,
        ..patient()
    })
    .await;
    let mut client = server.connect().await;
    for _ in 0..3 {
        client.send(HELLO).await;
        assert!(client.answer().await.starts_with("HTTP/1.1 200"));
    }
    assert_eq!(client.rest().await, "");
}

#[tokio::test]
async fn i02_a_slow_body_is_answered_408() {
    let server = Application::start_with(patient(), None, SHORT).await;
    let mut client = server.connect().await;
    client
        .send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10000\r\n\r\n")
        .await;
    let answer = client.drip_until_closed(b'x').await;
    assert!(
        answer.starts_with("HTTP/1.1 408") && answer.ends_with("request_timeout"),
        "{answer}"
    );
}

#[tokio::test]
async fn i02_a_reader_that_takes_nothing_is_cut_off() {
    let server = Application::start(Settings {
        write_stall: SHORT,
        ..patient()
    })
    .await;
    let mut client = server.connect().await;
    client.send(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n").await;
    seen(&server.dropped, 1).await;
}

#[tokio::test]
async fn i02_a_reader_that_takes_little_is_cut_off() {
    let server = Application::start(Settings {
        write_stall: SHORT,
        ..patient()
    })
    .await;
    let mut client = server.connect().await;
    client.send(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let mut byte = [0];
    let reading = async {
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        loop {
            tick.tick().await;
            let _ = client.0.try_read(&mut byte);
        }
    };
    tokio::select! {
        () = seen(&server.dropped, 1) => {}
        () = reading => {}
    }
}

#[tokio::test]
async fn i02_an_answer_that_takes_too_long_is_503() {
    let server = Application::start(patient()).await;
    let mut client = server.connect().await;
    client.send(b"GET /overdue HTTP/1.1\r\nHost: a\r\n\r\n").await;
    let answer = client.answer().await;
    assert!(
        answer.starts_with("HTTP/1.1 503") && answer.ends_with("unavailable"),
        "{answer}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn i02_a_healthy_client_is_served_among_two_hundred_slow_ones() {
    let settings = Settings {
        first_byte: SHORT,
        header_read: SHORT,
        write_stall: SHORT,
        ..patient()
    };
    let server = Application::start_with(settings, None, SHORT).await;
    let mut slow = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let mut silent = server.connect().await;
        slow.spawn(async move { silent.rest().await });
        let mut headers = server.connect().await;
        headers.send(b"GET /hello HTTP/1.1\r\nX: ").await;
        slow.spawn(headers.drip_until_closed(b'x'));
        let mut body = server.connect().await;
        body.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9999\r\n\r\n")
            .await;
        slow.spawn(body.drip_until_closed(b'x'));
        let mut reader = server.connect().await;
        reader.send(b"GET /large HTTP/1.1\r\nHost: a\r\n\r\n").await;
        let dropped = server.dropped.clone();
        slow.spawn(async move {
            seen(&dropped, 1).await;
            drop(reader);
            String::new()
        });
    }
    assert_eq!(slow.len(), 200);
    let mut healthy = server.connect().await;
    let mut answers = 0u32;
    // One client is served over one connection until every slow connection is closed.
    let finished = async {
        while let Some(end) = slow.join_next().await {
            end.unwrap();
        }
    };
    let mut finished = std::pin::pin!(tokio::time::timeout(CEILING, finished));
    loop {
        tokio::select! {
            biased;
            end = &mut finished => break end.expect("slow connections must be closed"),
            answer = async { healthy.send(HELLO).await; healthy.answer().await } => {
                assert!(answer.ends_with("hello"), "{answer}");
                answers += 1;
            }
        }
    }
    assert!(answers > 10, "{answers}");
}
