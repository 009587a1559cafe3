//! Ports for servers that a test starts, stops and starts again.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// Returns a free port, a different one for each call in this process.
///
/// The port is below the range that Linux uses for outgoing connections. While a server is down
/// between a kill and the next start, no other socket gets its port, and a client that connects to
/// it cannot connect to itself.
pub(crate) fn free() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let base = u16::try_from(std::process::id() % 600).expect("small") * 20;
    loop {
        let port = 20_000 + (base + NEXT.fetch_add(1, Ordering::Relaxed) % 12_000) % 12_000;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
