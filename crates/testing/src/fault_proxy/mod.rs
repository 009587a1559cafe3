//! A TCP proxy on loopback between a node and PostgreSQL. It injects faults on request.
//!
//! 1. Each connection has two threads, one per direction.
//! 2. Before a thread forwards bytes, it checks the current fault: [`cut`](FaultProxy::cut),
//!    [`hold`](FaultProxy::hold), [`delay`](FaultProxy::delay), or none
//!    ([`heal`](FaultProxy::heal)).
//! 3. The thread that reads from the server also parses the messages, so that it can lose the
//!    answer to a commit ([`cut_before_next_answer`](FaultProxy::cut_before_next_answer)).

mod commit_detector;

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_linger;

use self::commit_detector::{CommitDetector, Progress};
use crate::ports;

/// The most bytes that one read takes. The proxy works with chunks of any size.
const CHUNK: usize = 64 * 1024;

/// A running proxy. Dropping it resets its connections.
pub struct FaultProxy {
    port: u16,
    shared: Arc<Shared>,
}

/// The state that all threads of one proxy share.
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    flow: Flow,
    delay: Duration,
    /// Whether the next answer to a commit must be lost.
    lose_next_commit: bool,
    answers_lost: usize,
    connections: HashMap<u64, Connection>,
    accepted: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Flow {
    Open,
    Held,
    Cut,
    Ended,
}

struct Connection {
    client: TcpStream,
    server: TcpStream,
}

impl FaultProxy {
    /// Starts a proxy for `server` on a free port of 127.0.0.1.
    pub fn start(server: SocketAddr) -> Self {
        let port = ports::free();
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port was free");
        let shared = Arc::new(Shared {
            state: Mutex::new(State {
                flow: Flow::Open,
                delay: Duration::ZERO,
                lose_next_commit: false,
                answers_lost: 0,
                connections: HashMap::new(),
                accepted: 0,
            }),
            changed: Condvar::new(),
        });
        let accepting = Arc::clone(&shared);
        thread::spawn(move || accepting.accept(&listener, server));
        Self { port, shared }
    }

    /// The address at which clients reach the server through the proxy.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// Replaces the port in the URL of a database, so that it leads through the proxy.
    pub fn url(&self, url: &str) -> String {
        let (before, after) = url.split_once("@127.0.0.1:").expect("the URL is on 127.0.0.1");
        let (_, database) = after.split_once('/').expect("the URL names a database");
        format!("{before}@127.0.0.1:{}/{database}", self.port)
    }

    /// Resets all connections on both sides. Resets new connections as soon as they are accepted.
    pub fn cut(&self) {
        self.shared.set(|state| {
            state.flow = Flow::Cut;
            state.reset_all();
        });
    }

    /// Forwards nothing in either direction and closes nothing, like a network that drops packets.
    pub fn hold(&self) {
        self.shared.set(|state| state.flow = Flow::Held);
    }

    /// Forwards everything again, without delay. Held bytes go first.
    pub fn heal(&self) {
        self.shared.set(|state| {
            state.flow = Flow::Open;
            state.delay = Duration::ZERO;
        });
    }

    /// Forwards each chunk of bytes after this delay, in both directions.
    pub fn delay(&self, delay: Duration) {
        self.shared.set(|state| state.delay = delay);
    }

    /// Loses the server's next answer to a commit that wrote rows, and resets its connection, so that
    /// the client cannot know the outcome. The commit is a COMMIT or a single statement.
    pub fn cut_before_next_answer(&self) {
        self.shared.set(|state| state.lose_next_commit = true);
    }

    /// The number of answers lost by [`cut_before_next_answer`](Self::cut_before_next_answer).
    pub fn answers_lost(&self) -> usize {
        self.shared.lock().answers_lost
    }

    /// The number of open connections.
    pub fn connections(&self) -> usize {
        self.shared.lock().connections.len()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.shared.set(|state| {
            state.flow = Flow::Ended;
            state.reset_all();
        });
        // Wake the thread that accepts connections, so that it ends.
        TcpStream::connect(self.address()).ok();
    }
}

impl State {
    fn reset_all(&mut self) {
        for (_, connection) in self.connections.drain() {
            connection.reset();
        }
    }
}

impl Connection {
    fn reset(&self) {
        reset(&self.client);
        reset(&self.server);
    }
}

impl Shared {
    fn accept(self: &Arc<Self>, listener: &TcpListener, server: SocketAddr) {
        for client in listener.incoming() {
            let flow = self.lock().flow;
            match (flow, client) {
                (Flow::Ended, _) => return,
                (Flow::Cut, Ok(client)) => reset(&client),
                (Flow::Open | Flow::Held, Ok(client)) => self.connect(client, server),
                (_, Err(_)) => {}
            }
        }
    }

    fn connect(self: &Arc<Self>, client: TcpStream, server: SocketAddr) {
        let Ok(server) = TcpStream::connect(server) else {
            return reset(&client);
        };
        client.set_nodelay(true).ok();
        server.set_nodelay(true).ok();
        let clone = |stream: &TcpStream| stream.try_clone().expect("a descriptor is free");
        let mut state = self.lock();
        state.accepted += 1;
        let id = state.accepted;
        let connection = Connection {
            client: clone(&client),
            server: clone(&server),
        };
        if matches!(state.flow, Flow::Cut | Flow::Ended) {
            return connection.reset();
        }
        state.connections.insert(id, connection);
        drop(state);
        let (from_client, to_server) = (clone(&client), clone(&server));
        let shared = Arc::clone(self);
        thread::spawn(move || shared.forward(id, from_client, to_server, None));
        let shared = Arc::clone(self);
        thread::spawn(move || shared.forward(id, server, client, Some(CommitDetector::default())));
    }

    /// Forwards one direction until either side closes it, and then forwards the close.
    fn forward(&self, id: u64, mut from: TcpStream, mut to: TcpStream, mut detector: Option<CommitDetector>) {
        let mut chunk = vec![0; CHUNK];
        let mut held_back = Vec::new();
        loop {
            let length = from.read(&mut chunk).unwrap_or(0);
            if !self.wait_to_pass(id) {
                // The connection was cut. It resets when its last descriptor is closed.
                return;
            }
            held_back.extend_from_slice(&chunk[..length]);
            if length > 0
                && let Some(detector) = &mut detector
                && self.must_hold_back(id, detector.read(&chunk[..length]))
            {
                continue;
            }
            if to.write_all(&held_back).is_err() || length == 0 {
                break;
            }
            held_back.clear();
        }
        to.shutdown(Shutdown::Write).ok();
        if detector.is_some() {
            self.lock().connections.remove(&id);
        }
    }

    /// Waits until no hold is active and the delay is over. Returns false if the connection was cut.
    fn wait_to_pass(&self, id: u64) -> bool {
        let state = self.lock();
        let arrived = Instant::now();
        let mut state = self
            .changed
            .wait_while(state, |state| state.flow == Flow::Held)
            .unwrap_or_else(PoisonError::into_inner);
        while let Some(left) = state
            .delay
            .checked_sub(arrived.elapsed())
            .filter(|left| !left.is_zero())
        {
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.connections.contains_key(&id)
    }

    /// Whether to hold back bytes from the server. While an answer must be lost, holds back incomplete
    /// answers. Never sends the answer to the commit: resets the connection instead.
    fn must_hold_back(&self, id: u64, progress: Progress) -> bool {
        let mut state = self.lock();
        if !state.lose_next_commit {
            return false;
        }
        if progress == Progress::Committed {
            state.lose_next_commit = false;
            state.answers_lost += 1;
            if let Some(connection) = state.connections.remove(&id) {
                connection.reset();
            }
            return true;
        }
        progress == Progress::Incomplete
    }

    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes a connection end with a reset instead of an orderly close.
///
/// With linger 0, closing the last descriptor sends a reset. Shutting down the read side wakes the
/// thread that reads, which then closes the stream. A full shutdown would send an orderly close
/// first.
fn reset(stream: &TcpStream) {
    set_socket_linger(stream, Some(Duration::ZERO)).ok();
    stream.shutdown(Shutdown::Read).ok();
}

#[cfg(test)]
mod tests;
