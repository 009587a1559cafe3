//! A small application behind the listener, and a client that sends raw bytes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::Bytes;
use http::StatusCode;
use http_body::{Body as HttpBody, Frame};
use rustls::ServerConfig;
use tm_auth_listener::{
    Answers, BodyError, Capacity, Listeners, Malformed, Overdue, PeerAddress, Settings, read_body, within,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// The longest wait of a test.
pub const CEILING: Duration = Duration::from_secs(20);
pub const BODY_BYTES: usize = 16 * 1024;
pub const OVERLOAD: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 4\r\n\r\nfull";
pub const HELLO: &[u8] = b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";

/// The same answer as [`OVERLOAD`], for one network.
pub const NETWORK_OVERLOAD: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\ncontent-length: 4\r\n\r\nmany";

/// A capacity that one network can use up.
pub fn capacity(total: usize) -> Capacity {
    Capacity {
        total,
        per_network: total,
        proxies: Vec::new(),
    }
}

/// Settings with deadlines that no test reaches unless it shortens one.
pub fn patient() -> Settings {
    let never = Duration::from_mins(10);
    Settings {
        capacity: capacity(1000),
        header_bytes: BODY_BYTES,
        first_byte: never,
        tls_handshake: never,
        header_read: never,
        keep_alive: never,
        write_stall: never,
        shutdown: never,
    }
}

/// A short deadline, but long enough for a loopback round trip on a busy machine.
pub const SHORT: Duration = Duration::from_millis(300);

pub struct Application {
    pub address: SocketAddr,
    /// Each request to `/gated` takes a permit, then answers.
    pub gate: Arc<Semaphore>,
    /// Counts the requests to `/gated` that have arrived.
    pub arrived: Arc<Semaphore>,
    /// Counts the dropped answers of `/large`.
    pub dropped: Arc<Semaphore>,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
}

#[derive(Clone)]
struct Shared {
    gate: Arc<Semaphore>,
    arrived: Arc<Semaphore>,
    dropped: Arc<Semaphore>,
    body_read: Duration,
}

impl Application {
    pub async fn start(settings: Settings) -> Self {
        Self::start_with(settings, None, Duration::from_mins(10)).await
    }

    pub async fn start_with(settings: Settings, tls: Option<Arc<ServerConfig>>, body_read: Duration) -> Self {
        let shared = Shared {
            gate: Arc::new(Semaphore::new(0)),
            arrived: Arc::new(Semaphore::new(0)),
            dropped: Arc::new(Semaphore::new(0)),
            body_read,
        };
        let router = Router::new()
            .route("/hello", get(async || "hello"))
            .route(
                "/peer",
                get(async |Extension(peer): Extension<PeerAddress>| peer.0.to_string()),
            )
            .route("/echo", post(echo))
            .route("/gated", get(gated))
            .route("/overdue", get(overdue))
            .route("/large", get(large))
            .with_state(shared.clone());
        let answers = Answers {
            malformed: Arc::new(|malformed: Malformed| {
                (StatusCode::BAD_REQUEST, malformed.to_string()).into_response()
            }),
            overload: OVERLOAD.to_vec(),
            network_overload: NETWORK_OVERLOAD.to_vec(),
        };
        let listeners = Listeners::bind(&["127.0.0.1:0".parse().unwrap()], tls, settings, answers)
            .await
            .unwrap();
        let address = listeners.addresses().unwrap()[0];
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(listeners.serve(router, async {
            let _ = stopped.await;
        }));
        let Shared {
            gate,
            arrived,
            dropped,
            ..
        } = shared;
        Self {
            address,
            gate,
            arrived,
            dropped,
            stop: Some(stop),
            serving,
        }
    }

    pub async fn connect(&self) -> Client {
        Client(TcpStream::connect(self.address).await.unwrap())
    }

    /// Sends `bytes` on a new connection, then reads until the server closes it.
    pub async fn exchange(&self, bytes: &[u8]) -> String {
        let mut client = self.connect().await;
        client.send(bytes).await;
        client.rest().await
    }

    pub fn stop(&mut self) {
        self.stop.take().unwrap().send(()).unwrap();
    }

    pub async fn stopped(self) {
        timeout(CEILING, self.serving)
            .await
            .expect("the server must stop")
            .unwrap();
    }
}

async fn echo(State(shared): State<Shared>, request: Request) -> Response {
    match read_body(request.into_body(), BODY_BYTES, shared.body_read).await {
        Ok(body) => body.into_response(),
        Err(error) => {
            let answer = match error {
                BodyError::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"),
                BodyError::TooSlow => (StatusCode::REQUEST_TIMEOUT, "request_timeout"),
                BodyError::Broken => (StatusCode::BAD_REQUEST, "invalid_request"),
            };
            answer.into_response()
        }
    }
}

async fn gated(State(shared): State<Shared>) -> &'static str {
    shared.arrived.add_permits(1);
    shared.gate.acquire().await.unwrap().forget();
    "at last"
}

async fn overdue() -> Response {
    match within(Duration::from_millis(50), std::future::pending::<Response>()).await {
        Ok(response) => response,
        Err(Overdue) => (StatusCode::SERVICE_UNAVAILABLE, "unavailable").into_response(),
    }
}

async fn large(State(shared): State<Shared>) -> Response {
    Body::new(Endless(shared.dropped)).into_response()
}

/// A body without end, so that any socket buffer fills up.
struct Endless(Arc<Semaphore>);

impl HttpBody for Endless {
    type Data = Bytes;
    type Error = std::convert::Infallible;
    fn poll_frame(
        self: std::pin::Pin<&mut Self>,
        _cx: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        std::task::Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 4096])))))
    }
}

impl Drop for Endless {
    fn drop(&mut self) {
        self.0.add_permits(1);
    }
}

pub async fn seen(count: &Semaphore, events: u32) {
    timeout(CEILING, count.acquire_many(events))
        .await
        .expect("the event must come")
        .unwrap()
        .forget();
}

pub struct Client(pub TcpStream);

impl Client {
    /// Returns whether all bytes were sent. If the server has closed, a test reads its answer.
    pub async fn send(&mut self, bytes: &[u8]) -> bool {
        timeout(CEILING, self.0.write_all(bytes))
            .await
            .expect("the server must read or close")
            .is_ok()
    }

    /// Reads until the server closes.
    pub async fn rest(&mut self) -> String {
        let mut bytes = Vec::new();
        // A reset also ends the connection.
        let _ = timeout(CEILING, self.0.read_to_end(&mut bytes))
            .await
            .expect("the server must close");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Reads one answer, by its `Content-Length`.
    pub async fn answer(&mut self) -> String {
        let mut text = String::new();
        loop {
            if let Some((head, body)) = text.split_once("\r\n\r\n") {
                let length = head
                    .lines()
                    .find_map(|line| line.strip_prefix("content-length: "))
                    .map_or(0, |n| n.parse().unwrap());
                if body.len() >= length {
                    return text;
                }
            }
            let mut byte = [0];
            let read = timeout(CEILING, self.0.read(&mut byte))
                .await
                .expect("an answer must come")
                .unwrap();
            assert_eq!(read, 1, "closed after {text:?}");
            text.push(byte[0].into());
        }
    }

    /// Sends `byte` every 20 ms until the server closes. Returns what the server sent.
    pub async fn drip_until_closed(self, byte: u8) -> String {
        let (mut read, mut write) = self.0.into_split();
        let dripping = tokio::spawn(async move {
            let mut tick = tokio::time::interval(Duration::from_millis(20));
            loop {
                tick.tick().await;
                if write.write_all(&[byte]).await.is_err() {
                    break;
                }
            }
        });
        let mut bytes = Vec::new();
        let _ = timeout(CEILING, read.read_to_end(&mut bytes))
            .await
            .expect("the server must close");
        dripping.abort();
        String::from_utf8_lossy(&bytes).into_owned()
    }
}
