//! Chooses ports for servers that a test starts, stops and restarts.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// Returns a free port, a different one for each call in this process.
///
/// The port is below the range that Linux uses for outgoing connections. So while a server is down
/// between a kill and the next start, Linux gives its port to no outgoing connection, and a client
/// that connects to the port cannot connect to itself.
pub(crate) fn free() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let base = u16::try_from(std::process::id() % 600).expect("a number below 600 fits") * 20;
    loop {
        let port = 20_000 + (base + NEXT.fetch_add(1, Ordering::Relaxed) % 12_000) % 12_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
