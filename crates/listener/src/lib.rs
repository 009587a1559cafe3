//! Listening sockets, and the life of a connection with a deadline on every wait.
//!
//! 1. [`accept`]: take connections from every address, as many at a time as there are [`places`].
//! 2. [`tls`]: where TLS ends here, the handshake has its own deadline.
//! 3. [`phase`]: what the connection waits for, and until when: its first byte, the end of a
//!    request's head, the answer being taken, the next request.
//! 4. [`stream`], [`request_head`]: bytes reach the HTTP parser one message at a time, and the head
//!    of each is looked through for what parsers disagree about.
//! 5. [`service`]: such a request is refused; any other goes to the application.
//! 6. [`connection`]: drives all this until the peer, a deadline or the stop signal ends it.
//!
//! **HTTP/1.1 only, on purpose.** Requests here are small and few per client, so multiplexing gains
//! nothing, while HTTP/2 brings rapid reset, CONTINUATION and settings floods. A proxy may speak it
//! to the outside.
//!
//! **hyper's own `header_read_timeout` is off.** It starts when a connection becomes idle, so it
//! cannot tell a client that waits with its next request (60 s) from one that sends its headers
//! byte by byte (10 s).

mod accept;
mod connection;
mod deadline;
mod phase;
mod places;
mod request_head;
mod service;
mod stream;
pub mod tls;

pub use accept::{Answers, BindError, Listeners, bind};
pub use deadline::{BodyError, Overdue, read_body, within};
pub use places::Capacity;
pub use request_head::Malformed;
pub use service::PeerAddress;

use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;

/// Answers a request that is not passed on to the application.
pub type RefuseMalformed = Arc<dyn Fn(Malformed) -> Response + Send + Sync>;

/// How connections are treated. Every wait is bounded.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many connections there may be at a time.
    pub capacity: Capacity,
    /// The largest request line with its headers, bytes.
    pub header_bytes: usize,
    /// From accepting a connection (or the end of the TLS handshake) to its first byte.
    pub first_byte: Duration,
    /// The whole TLS handshake.
    pub tls_handshake: Duration,
    /// From a request's first byte to the end of its headers.
    pub header_read: Duration,
    /// From an answer to the first byte of the next request.
    pub keep_alive: Duration,
    /// From the first byte of an answer that the client does not take to its last.
    pub write_stall: Duration,
    /// How long requests in flight may go on after the signal to stop.
    pub shutdown: Duration,
}
