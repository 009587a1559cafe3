//! A TCP proxy on loopback that fails on request, to stand between a node and PostgreSQL.
//!
//! Each connection has two threads, one for each direction. Before a thread passes bytes on it asks what the path does
//! now: [`cut`](FaultProxy::cut), [`hold`](FaultProxy::hold), [`delay`](FaultProxy::delay), or nothing of the kind
//! ([`heal`](FaultProxy::heal)). The direction from the server also reads the messages, to lose the answer to a
//! commit on purpose ([`cut_before_next_answer`](FaultProxy::cut_before_next_answer)).

mod commit_detector;

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rustix::net::sockopt::set_socket_linger;

use self::commit_detector::{Answers, Seen};
use crate::ports;

/// Larger than what PostgreSQL sends at once.
const PIECE: usize = 64 * 1024;

/// See the module. It ends, and its connections with it, when this is dropped.
pub struct FaultProxy {
    port: u16,
    path: Arc<Path>,
}

/// What all threads of one proxy share.
struct Path {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    flow: Flow,
    delay: Duration,
    /// The next answer to a commit is to be lost.
    armed: bool,
    answers_lost: usize,
    connections: HashMap<u64, Connection>,
    made: u64,
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
    /// A proxy on a free port of 127.0.0.1, before the server at this address.
    pub fn start(server: SocketAddr) -> Self {
        let port = ports::free();
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port was free");
        let path = Arc::new(Path {
            state: Mutex::new(State {
                flow: Flow::Open,
                delay: Duration::ZERO,
                armed: false,
                answers_lost: 0,
                connections: HashMap::new(),
                made: 0,
            }),
            changed: Condvar::new(),
        });
        let accepting = Arc::clone(&path);
        thread::spawn(move || accepting.accept(&listener, server));
        Self { port, path }
    }

    /// Where clients reach the server through it.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    /// The address of a database, led through this proxy: `url` names it on the server's own port.
    pub fn url(&self, url: &str) -> String {
        let (before, after) = url.split_once("@127.0.0.1:").expect("an address on loopback");
        let (_, name) = after.split_once('/').expect("it names a database");
        format!("{before}@127.0.0.1:{}/{name}", self.port)
    }

    /// Resets all connections, on both sides; new ones are reset as soon as they are made.
    pub fn cut(&self) {
        self.path.set(|state| {
            state.flow = Flow::Cut;
            state.reset_all();
        });
    }

    /// No byte passes any more in either direction, and no connection ends: a network that lost its way.
    pub fn hold(&self) {
        self.path.set(|state| state.flow = Flow::Held);
    }

    /// Everything passes again, without delay; what was held first.
    pub fn heal(&self) {
        self.path.set(|state| {
            state.flow = Flow::Open;
            state.delay = Duration::ZERO;
        });
    }

    /// Each piece of bytes passes so much later, in both directions.
    pub fn delay(&self, delay: Duration) {
        self.path.set(|state| state.delay = delay);
    }

    /// The next time that the server says that it committed, with COMMIT or a single statement that wrote, its answer
    /// is lost and the connection reset: the client cannot know.
    pub fn cut_before_next_answer(&self) {
        self.path.set(|state| state.armed = true);
    }

    /// How many answers were lost so.
    pub fn answers_lost(&self) -> usize {
        self.path.lock().answers_lost
    }

    /// How many connections pass through it now.
    pub fn connections(&self) -> usize {
        self.path.lock().connections.len()
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.path.set(|state| {
            state.flow = Flow::Ended;
            state.reset_all();
        });
        // Wakes the thread that accepts.
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

impl Path {
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
        state.made += 1;
        let id = state.made;
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
        let path = Arc::clone(self);
        thread::spawn(move || path.carry(id, from_client, to_server, None));
        let path = Arc::clone(self);
        thread::spawn(move || path.carry(id, server, client, Some(Answers::default())));
    }

    /// Carries one direction until either side ends it. An end passes as bytes do.
    fn carry(&self, id: u64, mut from: TcpStream, mut to: TcpStream, mut answers: Option<Answers>) {
        let mut piece = vec![0; PIECE];
        let mut kept = Vec::new();
        loop {
            let length = from.read(&mut piece).unwrap_or(0);
            if !self.may_pass(id) {
                // Cut: the last thread to let go of the connection resets it.
                return;
            }
            kept.extend_from_slice(&piece[..length]);
            if length > 0
                && let Some(answers) = &mut answers
                && self.is_to_be_kept(id, answers.read(&piece[..length]))
            {
                continue;
            }
            if to.write_all(&kept).is_err() || length == 0 {
                break;
            }
            kept.clear();
        }
        to.shutdown(Shutdown::Write).ok();
        if answers.is_some() {
            self.lock().connections.remove(&id);
        }
    }

    /// Waits out a hold and the delay. False: the connection was cut meanwhile.
    fn may_pass(&self, id: u64) -> bool {
        let state = self.lock();
        let come = Instant::now();
        let mut state = self
            .changed
            .wait_while(state, |state| state.flow == Flow::Held)
            .unwrap_or_else(PoisonError::into_inner);
        while let Some(left) = state
            .delay
            .checked_sub(come.elapsed())
            .filter(|left| !left.is_zero())
        {
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.connections.contains_key(&id)
    }

    /// Whether bytes of the server stay here: because the answer they belong to is not whole yet, or because it is
    /// the one to be lost.
    fn is_to_be_kept(&self, id: u64, seen: Seen) -> bool {
        let mut state = self.lock();
        if !state.armed {
            return false;
        }
        if seen == Seen::Committed {
            state.armed = false;
            state.answers_lost += 1;
            if let Some(connection) = state.connections.remove(&id) {
                connection.reset();
            }
            return true;
        }
        seen == Seen::Unfinished
    }

    fn set(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Has a connection end with a reset instead of an orderly end: its last descriptor is closed with bytes to be thrown
/// away. A thread that reads from it wakes and closes it; a full shutdown would tell the peer of an orderly end first.
fn reset(stream: &TcpStream) {
    set_socket_linger(stream, Some(Duration::ZERO)).ok();
    stream.shutdown(Shutdown::Read).ok();
}

#[cfg(test)]
mod tests;
