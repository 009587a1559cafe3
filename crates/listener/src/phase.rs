//! What a connection waits for, and until when.
//!
//! The stream reports bytes, the service reports requests and answers, and [`super::connection`]
//! asks for the deadline after each of its steps. All three run in one task, one after the other.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Settings;
use super::request_head::{HeadScanner, Malformed};

/// A connection's state, shared by its stream, its service and its driver.
#[derive(Clone, Debug)]
pub(super) struct Progress(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    phase: Phase,
    scanner: HeadScanner,
    /// Bytes of the request's body that the stream has not handed over yet.
    body_left: BodyLeft,
    /// When the answer that the client does not take has to be out.
    write_deadline: Option<Instant>,
    /// The parser was told to wait and may go on now, though the socket will not wake it.
    reopened: bool,
    stopping: bool,
    header_read: Duration,
    keep_alive: Duration,
    write_stall: Duration,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// No byte of a request has come.
    Idle { until: Instant },
    /// The head of a request is coming in.
    Head { until: Instant },
    /// The application has the request: its body and its answer are under the application's
    /// deadlines.
    Request,
}

/// How much more of the stream belongs to the request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyLeft {
    /// This many bytes.
    Bytes(u64),
    /// Only the parser knows: the body is chunked, so no second request is read from this
    /// connection.
    Chunked,
}

/// What the stream may hand to the parser now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Gate {
    /// Bytes up to the end of a head.
    Head,
    /// At most so many bytes of the body.
    Body(usize),
    /// Nothing until the answer is out; the end of the stream is still told.
    Closed,
}

/// Which deadline ended a connection; also the metric's label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    FirstByteOrNextRequest,
    Headers,
    Writing,
}

impl Waiting {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::FirstByteOrNextRequest => "idle",
            Self::Headers => "headers",
            Self::Writing => "writing",
        }
    }
}

impl Progress {
    /// A connection that was just accepted.
    pub(super) fn new(settings: &Settings) -> Self {
        Self(Arc::new(Mutex::new(State {
            phase: Phase::Idle {
                until: Instant::now() + settings.first_byte,
            },
            scanner: HeadScanner::default(),
            body_left: BodyLeft::Bytes(0),
            write_deadline: None,
            reopened: false,
            stopping: false,
            header_read: settings.header_read,
            keep_alive: settings.keep_alive,
            write_stall: settings.write_stall,
        })))
    }

    /// The next deadline. While an answer waits to be taken, nothing else is waited for.
    pub(super) fn deadline(&self) -> Option<(Instant, Waiting)> {
        let state = self.lock();
        if let Some(until) = state.write_deadline {
            return Some((until, Waiting::Writing));
        }
        match state.phase {
            Phase::Idle { until } => Some((until, Waiting::FirstByteOrNextRequest)),
            Phase::Head { until } => Some((until, Waiting::Headers)),
            Phase::Request => None,
        }
    }

    /// Whether the connection can be closed without losing an answer.
    pub(super) fn is_idle(&self) -> bool {
        let state = self.lock();
        matches!(state.phase, Phase::Idle { .. }) && state.write_deadline.is_none()
    }

    pub(super) fn take_reopened(&self) -> bool {
        std::mem::take(&mut self.lock().reopened)
    }

    /// The service stops: the next answer is the last.
    pub(super) fn stop(&self) {
        self.lock().stopping = true;
    }

    // Reported by the stream.

    pub(super) fn gate(&self) -> Gate {
        let state = self.lock();
        match (state.body_left, state.phase) {
            (BodyLeft::Chunked, _) => Gate::Body(usize::MAX),
            (BodyLeft::Bytes(left @ 1..), _) => Gate::Body(usize::try_from(left).unwrap_or(usize::MAX)),
            (BodyLeft::Bytes(0), Phase::Request) => Gate::Closed,
            (BodyLeft::Bytes(0), Phase::Idle { .. } | Phase::Head { .. }) => Gate::Head,
        }
    }

    /// Looks at bytes that came while a head is expected; answers how many of them belong to it.
    pub(super) fn scan_head(&self, bytes: &[u8]) -> usize {
        let mut state = self.lock();
        let taken = state.scanner.scan(bytes);
        // Empty lines before a request do not begin one: they must not prolong the wait for it.
        if matches!(state.phase, Phase::Idle { .. }) && !state.scanner.is_blank() {
            state.phase = Phase::Head {
                until: Instant::now() + state.header_read,
            };
        }
        taken
    }

    pub(super) fn head_is_complete(&self) -> bool {
        self.lock().scanner.is_complete()
    }

    pub(super) fn body_handed_over(&self, bytes: usize) {
        let mut state = self.lock();
        if let BodyLeft::Bytes(left) = state.body_left {
            state.body_left = BodyLeft::Bytes(left.saturating_sub(bytes as u64));
        }
    }

    pub(super) fn write_blocked(&self) {
        let mut state = self.lock();
        // Set once and not moved by progress: who takes a byte a second is slow, not alive.
        if state.write_deadline.is_none() {
            state.write_deadline = Some(Instant::now() + state.write_stall);
        }
    }

    pub(super) fn all_written(&self) {
        self.lock().write_deadline = None;
    }

    // Reported by the service.

    /// The parser has the whole head; what the scanner made of it.
    pub(super) fn request_begins(&self, body: BodyLeft) -> Option<Malformed> {
        let mut state = self.lock();
        state.phase = Phase::Request;
        state.body_left = body;
        std::mem::take(&mut state.scanner).malformed()
    }

    /// Whether the connection ends with the answer that is about to be given.
    pub(super) fn is_stopping(&self) -> bool {
        self.lock().stopping
    }

    /// The parser has the whole answer.
    pub(super) fn request_ends(&self) {
        let mut state = self.lock();
        state.phase = Phase::Idle {
            until: Instant::now() + state.keep_alive,
        };
        state.reopened = true;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
