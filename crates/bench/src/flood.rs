//! Measures how long others wait for a mint while one client floods the service.
//!
//! 1. A victim mints one by one, from 127.0.0.1. This gives its times without a flood.
//! 2. For each flood, [`CONNECTIONS`] connections from 127.0.0.9 send one request after another, and
//!    the victim mints again.
//!
//! Flood and victim share the machine with the service. So part of the ratio is what the flood itself
//! costs there.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;

use crate::load::now;
use crate::server::Server;

/// Connections of the flood.
const CONNECTIONS: usize = 16;
/// Mints of the victim in one measurement.
const MINTS: usize = 2_000;

/// The requests of a flood: method, path and body.
const FLOODS: [(&str, &str, &str, &str); 8] = [
    (
        "wrong signatures",
        "POST",
        "/v1/auth/api-key/token",
        r#"{"key_id":"b1f0c2d4-6a1e-8c55-9d1f-2f1a0c3b4d5e","timestamp":1800000000,"signature":"AAAA"}"#,
    ),
    (
        "forged refreshes",
        "POST",
        "/v1/auth/token/refresh",
        r#"{"refresh_token":"e30.e30.AAAA"}"#,
    ),
    (
        "codes",
        "POST",
        "/v1/auth/email/otc",
        r#"{"email":"ada@example.com"}"#,
    ),
    (
        "wrong codes",
        "POST",
        "/v1/auth/email/otc/verify",
        r#"{"email":"ada@example.com","code":"12345678"}"#,
    ),
    ("passkey logins", "POST", "/passkeys/sign-in/options", "{}"),
    ("login pages", "GET", "/sign-in", ""),
    ("revocation lists", "GET", "/v1/auth/revocations", ""),
    ("health checks", "GET", "/v1/auth/health/live", ""),
];

/// Prints the table.
pub(crate) async fn measure(server: &Server) {
    println!(
        "n = {MINTS} mints, one at a time; {CONNECTIONS} connections flood; milliseconds\n\n{:<18} {:>9} {:>9} {:>7} {:>14}",
        "flood", "median", "p99", "ratio", "requests/s"
    );
    let alone = mints(server).await;
    print("none", &alone, &alone, 0.0);
    for (name, method, path, body) in FLOODS {
        let request = request(server.address, method, path, body);
        let flood = Flood::start(server.address, &request).await;
        let times = mints(server).await;
        let rate = flood.stop().await;
        print(name, &times, &alone, rate);
    }
}

fn print(name: &str, times: &[Duration], alone: &[Duration], rate: f64) {
    let ms = |times: &[Duration], percent: usize| times[times.len() * percent / 100].as_secs_f64() * 1e3;
    println!(
        "{name:<18} {:>9.2} {:>9.2} {:>7.2} {rate:>14.0}",
        ms(times, 50),
        ms(times, 99),
        ms(times, 99) / ms(alone, 99)
    );
}

/// The times of the victim's mints, sorted.
async fn mints(server: &Server) -> Vec<Duration> {
    let mut times = Vec::with_capacity(MINTS);
    for _ in 0..MINTS {
        let body = server
            .signer
            .mint_request(server.key_id, now())
            .expect("signing works");
        let begun = Instant::now();
        server.api.mint(&body).await.expect("the victim's mint succeeds");
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    times
}

fn request(address: SocketAddr, method: &str, path: &str, body: &str) -> Vec<u8> {
    format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost:{port}\r\nOrigin: http://localhost:{port}\r\n\
         Sec-Fetch-Site: same-origin\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len(),
        port = address.port(),
    )
    .into_bytes()
}

struct Flood {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    begun: Instant,
    connections: JoinSet<()>,
}

impl Flood {
    async fn start(address: SocketAddr, request: &[u8]) -> Self {
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut connections = JoinSet::new();
        for _ in 0..CONNECTIONS {
            let stream = connect(address).await.expect("the service accepts");
            let (request, stop, sent) = (request.to_vec(), Arc::clone(&stop), Arc::clone(&sent));
            connections.spawn(async move {
                let mut stream = BufReader::new(stream);
                while !stop.load(Ordering::Relaxed) {
                    if exchange(&mut stream, &request).await.is_err() {
                        // The service may close a connection; the flood goes on with another.
                        match connect(address).await {
                            Ok(another) => stream = BufReader::new(another),
                            Err(_) => return,
                        }
                    }
                    sent.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        Self {
            stop,
            sent,
            begun: Instant::now(),
            connections,
        }
    }

    /// Ends the flood. Returns its requests per second.
    async fn stop(mut self) -> f64 {
        self.stop.store(true, Ordering::Relaxed);
        let elapsed = self.begun.elapsed();
        while self.connections.join_next().await.is_some() {}
        let sent = u32::try_from(self.sent.load(Ordering::Relaxed)).unwrap_or(u32::MAX);
        f64::from(sent) / elapsed.as_secs_f64()
    }
}

async fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind(SocketAddr::from(([127, 0, 0, 9], 0)))?;
    let stream = socket.connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Sends a request and reads its answer to the end.
async fn exchange(stream: &mut BufReader<TcpStream>, request: &[u8]) -> std::io::Result<()> {
    stream.get_mut().write_all(request).await?;
    let mut length = 0;
    let mut line = String::new();
    loop {
        line.clear();
        if stream.read_line(&mut line).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        if line == "\r\n" {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await?;
    Ok(())
}
