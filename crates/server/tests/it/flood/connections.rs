//! Floods of open connections: real sockets of several loopback addresses.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Instant;

use tm_auth_listener::{Capacity, Full, Places};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::Levels;
use crate::support::{TestServer, eventually};

/// A network can have an eighth of all connections.
const PER_NETWORK: usize = 3;
const TOTAL: usize = 8 * PER_NETWORK;

async fn connect(server: &TestServer, from: u8) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    let from = Ipv4Addr::new(127, 0, 1, from);
    socket.bind(SocketAddr::new(from.into(), 0)).unwrap();
    socket.connect(server.config.network.listen[0]).await.unwrap()
}

/// Sends a request on a connection. Returns the answer.
async fn ask(mut connection: TcpStream) -> String {
    // The server may have refused the connection and closed it.
    let request = b"GET /v1/auth/health HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let _ = connection.write_all(request).await;
    read(connection).await
}

async fn read(mut connection: TcpStream) -> String {
    let mut answer = Vec::new();
    // A reset after the answer is not a fault.
    let _ = connection.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

#[track_caller]
fn assert_refused(answer: &str, why: &str) {
    assert!(
        answer.starts_with("HTTP/1.1 503 ") && answer.contains(why),
        "{answer}"
    );
}

async fn start() -> TestServer {
    TestServer::start_with(|config| {
        config.limits.max_connections_per_network = PER_NETWORK;
        config.limits.max_connections = TOTAL;
    })
    .await
}

pub(super) async fn connections() -> Levels {
    one_address().await;
    one_site();
    all_addresses().await;
    &["network", "site", "all"]
}

async fn one_address() {
    let server = start().await;
    let mut idle = Vec::new();
    for _ in 0..PER_NETWORK {
        idle.push(connect(&server, 1).await);
    }
    for _ in 0..20 {
        assert_refused(&read(connect(&server, 1).await).await, "Your network");
    }
    let served = ask(connect(&server, 2).await).await;
    assert!(served.starts_with("HTTP/1.1 200 "), "{served}");
}

async fn all_addresses() {
    let server = start().await;
    let mut idle = Vec::new();
    while idle.len() < TOTAL {
        let from = u8::try_from(1 + idle.len() / PER_NETWORK).unwrap();
        idle.push(connect(&server, from).await);
    }
    assert_refused(&read(connect(&server, 99).await).await, "The service has reached");
    idle.truncate(PER_NETWORK);
    // The server frees a place when it notices that the connection is closed.
    eventually(async || {
        let answer = ask(connect(&server, 99).await).await;
        answer.starts_with("HTTP/1.1 200 ").then_some(())
    })
    .await;
    assert_refused(&read(connect(&server, 1).await).await, "Your network");
}

/// Connections that one network begins within a second. The listener's places take the time as an
/// argument.
pub(super) async fn new_connections() -> Levels {
    let capacity = Capacity {
        total: 100_000,
        per_network: 100_000,
        proxies: Vec::new(),
    };
    let (places, now) = (Places::new(capacity), Instant::now());
    let begin = |address: &str| places.take(address.parse().unwrap(), now).map(drop);
    for number in 0..1_003 {
        let expected = if number < 1_000 { Ok(()) } else { Err(Full::Rate) };
        for network in ["192.0.2.1".to_owned(), format!("2001:db8:1:1::{number:x}")] {
            assert_eq!(begin(&network), expected, "{network}");
        }
    }
    for number in 0..3_003 {
        let expected = if number < 3_000 { Ok(()) } else { Err(Full::Rate) };
        assert_eq!(begin(&format!("2001:db8:1:{:x}::1", number + 16)), expected);
    }
    for other in ["192.0.2.2", "2001:db8:2::1"] {
        assert_eq!(begin(other), Ok(()));
    }
    &["network", "site"]
}

/// The loopback interface has one IPv6 address, so this asks the listener's own places.
fn one_site() {
    let places = Places::new(Capacity {
        total: 1_000,
        per_network: PER_NETWORK,
        proxies: Vec::new(),
    });
    let take = |address: String| places.take(address.parse().unwrap(), Instant::now());
    let mut taken = Vec::new();
    for number in 0..4 * PER_NETWORK {
        taken.push(take(format!("2001:db8:1:{number:x}::1")).unwrap());
    }
    for network in 0..100 {
        let refused = take(format!("2001:db8:1:{network:x}::2"));
        assert_eq!(refused.err(), Some(Full::Network));
    }
    taken.push(take("2001:db8:2::1".to_owned()).unwrap());
    taken.push(take("192.0.2.1".to_owned()).unwrap());
}
