//! What a connection waits for, and until when.
//!
//! The stream reports bytes, the service reports requests and answers, and [`super::connection`]
//! reads the deadline after each of its steps. All three run in one task, never at the same time.

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
    /// How much of the request's body the stream has not handed to the parser yet.
    body_left: BodyLeft,
    /// If a write is blocked: when everything that is buffered must have been written.
    write_deadline: Option<Instant>,
    /// The gate has opened, so the parser must be polled again. The socket will not wake it if its
    /// bytes were read already.
    reopened: bool,
    stopping: bool,
    header_read: Duration,
    keep_alive: Duration,
    write_stall: Duration,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// No byte of a request has arrived.
    Idle { until: Instant },
    /// A part of a request's head has arrived.
    Head { until: Instant },
    /// The application has the request. It limits the time of the body and of the answer itself.
    Request,
}

/// How much more of the stream belongs to the request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BodyLeft {
    /// This many bytes belong to it.
    Bytes(u64),
    /// Only the parser knows, because the body is chunked. The connection therefore closes after
    /// the answer.
    Chunked,
}

/// What the stream may hand to the parser.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Gate {
    /// Bytes up to the end of the head.
    Head,
    /// At most this many bytes of the body.
    Body(usize),
    /// No bytes until the parser has the whole answer. The end of the stream is still reported.
    Closed,
}

/// The deadline that ended a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    FirstByteOrNextRequest,
    Headers,
    Writing,
}

impl Waiting {
    /// The value of the metric's label `waiting_for`.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::FirstByteOrNextRequest => "idle",
            Self::Headers => "headers",
            Self::Writing => "writing",
        }
    }
}

impl Progress {
    /// The state of a new connection.
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

    /// The next deadline. While a write is blocked, the others do not apply.
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

    /// Whether no request has begun to arrive and no write is blocked.
    pub(super) fn is_idle(&self) -> bool {
        let state = self.lock();
        matches!(state.phase, Phase::Idle { .. }) && state.write_deadline.is_none()
    }

    /// Whether the gate has opened since the last call.
    pub(super) fn take_reopened(&self) -> bool {
        std::mem::take(&mut self.lock().reopened)
    }

    /// Notes that the service stops: the next answer closes the connection.
    pub(super) fn stop(&self) {
        self.lock().stopping = true;
    }

    // Called by the stream.

    pub(super) fn gate(&self) -> Gate {
        let state = self.lock();
        match (state.body_left, state.phase) {
            (BodyLeft::Chunked, _) => Gate::Body(usize::MAX),
            (BodyLeft::Bytes(left @ 1..), _) => Gate::Body(usize::try_from(left).unwrap_or(usize::MAX)),
            (BodyLeft::Bytes(0), Phase::Request) => Gate::Closed,
            (BodyLeft::Bytes(0), Phase::Idle { .. } | Phase::Head { .. }) => Gate::Head,
        }
    }

    /// Scans bytes that arrived while a head is expected. Returns how many belong to it.
    pub(super) fn scan_head(&self, bytes: &[u8]) -> usize {
        let mut state = self.lock();
        let taken = state.scanner.scan(bytes);
        // Empty lines do not begin a request, so they do not extend the wait for its first byte.
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
        // Progress does not extend the deadline, or a client could read one byte a second for ever.
        if state.write_deadline.is_none() {
            state.write_deadline = Some(Instant::now() + state.write_stall);
        }
    }

    pub(super) fn all_written(&self) {
        self.lock().write_deadline = None;
    }

    // Called by the service.

    /// Notes that the parser has the whole head. Returns what the scanner found wrong with it.
    pub(super) fn request_begins(&self, body: BodyLeft) -> Option<Malformed> {
        let mut state = self.lock();
        state.phase = Phase::Request;
        state.body_left = body;
        std::mem::take(&mut state.scanner).malformed()
    }

    /// Whether the service stops, so that the next answer closes the connection.
    pub(super) fn is_stopping(&self) -> bool {
        self.lock().stopping
    }

    /// Notes that the parser has the whole answer or has dropped it.
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
