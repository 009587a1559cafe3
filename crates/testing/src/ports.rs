//! Ports on which servers of a test can be started, stopped and started again.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

/// A free port, another one for each call of this process.
///
/// It lies below the ports that the system gives to outgoing connections. While a server is down between a kill and
/// the next start nobody else gets its port, and a client that knocks there meanwhile is not connected to itself.
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
