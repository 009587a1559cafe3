//! Listening sockets, and connections with a deadline on every wait.
//!
//! 1. [`accept`]: accepts connections on every address, as many as there are [`places`].
//! 2. [`tls`]: loads the certificate. The handshake has its own deadline.
//! 3. [`phase`]: what a connection waits for, and until when: the first byte, the end of a
//!    request's head, the client reading its answer, or the next request.
//! 4. [`stream`], [`request_head`]: pass bytes to the HTTP parser one message at a time, and search
//!    each head for what parsers interpret differently.
//! 5. [`service`]: refuses such a request, and passes any other to the application.
//! 6. [`connection`]: runs a connection until the peer, a deadline or the stop signal ends it.
//!
//! **HTTP/1.1 only, on purpose.** Requests are small and few per client, so multiplexing gains
//! nothing, and HTTP/2 allows rapid reset, CONTINUATION floods and settings floods. A proxy may
//! offer HTTP/2 to clients.
//!
//! **hyper's own `header_read_timeout` is off.** It starts when a connection becomes idle, so it
//! cannot have different limits for waiting for a request and for sending one byte by byte.

mod accept;
mod connection;
mod deadline;
mod network_prefix;
mod phase;
mod places;
mod request_head;
mod service;
mod stream;
pub mod tls;

pub use accept::{Answers, BindError, Listeners, bind};
pub use deadline::{BodyError, Overdue, read_body, within};
pub use network_prefix::NetworkPrefix;
pub use places::{Capacity, Full, Place, Places};
pub use request_head::Malformed;
pub use service::PeerAddress;

use std::sync::Arc;
use std::time::Duration;

use axum::response::Response;

/// Builds the answer to a request that is refused before the application sees it.
pub type RefuseMalformed = Arc<dyn Fn(Malformed) -> Response + Send + Sync>;

/// Limits and deadlines of connections.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many connections can be open.
    pub capacity: Capacity,
    /// The largest request line with its headers, in bytes.
    pub header_bytes: usize,
    /// From accepting a connection, or the end of its TLS handshake, to a request's first byte.
    pub first_byte: Duration,
    /// From accepting a connection to the end of its TLS handshake.
    pub tls_handshake: Duration,
    /// From a request's first byte to the end of its headers.
    pub header_read: Duration,
    /// From an answer to the first byte of the next request.
    pub keep_alive: Duration,
    /// From the first blocked write of an answer until the client has taken everything that is
    /// buffered. Progress does not extend it.
    pub write_stall: Duration,
    /// How long requests in flight may take to finish after the signal to stop.
    pub shutdown: Duration,
}
