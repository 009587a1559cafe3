//! Writes the log without making anything wait for it: a full disk, a closed pipe or a pipe that
//! is never read costs lines, never a request.
//!
//! [`LogWriter::push`] appends to a buffer, and a thread writes the buffer. A line that does not fit
//! into the buffer, or that cannot be written, is lost and counted. When lines can be written again,
//! one line says how many were lost.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use tm_auth_server::metrics;

/// The largest size of the buffer, in bytes: about 10,000 lines.
const BUFFER: usize = 4 << 20;
/// Linux writes at most this many bytes to a pipe in one piece (pipe(7), PIPE_BUF). So lines of
/// several processes that share a pipe do not mix.
const PIECE: usize = 4096;
/// How long to wait before writing again if standard error is non-blocking and full.
const RETRY: Duration = Duration::from_millis(20);

/// A cloneable handle of the buffer and its thread.
#[derive(Clone)]
pub(crate) struct LogWriter(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    capacity: usize,
}

#[derive(Default)]
struct State {
    /// Whole lines.
    waiting: Vec<u8>,
    /// Whether the thread is writing lines that it took from `waiting`.
    writing: bool,
    /// Lines lost since the start.
    lost: u64,
    /// The part of `lost` that a line of the log has told.
    told: u64,
}

impl LogWriter {
    /// Starts the thread that writes to standard error.
    pub(super) fn stderr() -> Self {
        let tell = |lines| tracing::error!(lines, "lines of the log were lost");
        // A descriptor of its own, since a blocked write through `io::stderr` would keep its lock.
        match io::stderr().as_fd().try_clone_to_owned() {
            Ok(descriptor) => Self::start(File::from(descriptor), BUFFER, tell),
            Err(_) => Self::start(io::stderr(), BUFFER, tell),
        }
    }

    /// `tell` gets the number of lines that were lost since the start.
    fn start(
        output: impl Write + Send + 'static,
        capacity: usize,
        tell: impl Fn(u64) + Send + 'static,
    ) -> Self {
        let writer = Self(Arc::new(Shared {
            state: Mutex::default(),
            changed: Condvar::new(),
            capacity,
        }));
        let thread = writer.clone();
        // Without a thread, each line beyond the buffer is counted as lost.
        thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || thread.run(output, tell))
            .ok();
        writer
    }

    /// Appends text that ends with a line feed. Never waits for the output.
    pub(super) fn push(&self, text: &[u8]) {
        let mut state = self.state();
        if state.waiting.len() + text.len() <= self.0.capacity {
            state.waiting.extend_from_slice(text);
            drop(state);
            self.0.changed.notify_all();
        } else {
            state.lose(text);
        }
    }

    /// Waits until everything is written, but not longer than this.
    pub(super) fn drain(&self, at_most: Duration) {
        let pending = |state: &mut State| state.writing || !state.waiting.is_empty();
        drop(self.0.changed.wait_timeout_while(self.state(), at_most, pending));
    }

    /// A panic while the lock is held leaves nothing half done.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self, mut output: impl Write, tell: impl Fn(u64)) {
        let mut torn = false;
        loop {
            let lines = self.take();
            let mut works = true;
            for piece in pieces(&lines) {
                let (written, outcome) = write(&mut output, piece, torn);
                // Whether the output now ends within a line.
                torn = match written {
                    0 => torn,
                    _ => piece[written - 1] != b'\n',
                };
                works = outcome.is_ok();
                self.state().lose(&piece[written..]);
            }
            if let Some(lost) = self.caught_up(works) {
                tell(lost);
            }
        }
    }

    /// Returns the text that waits, once there is some.
    fn take(&self) -> Vec<u8> {
        let empty = |state: &mut State| state.waiting.is_empty();
        let state = self.0.changed.wait_while(self.state(), empty);
        let mut state = state.unwrap_or_else(PoisonError::into_inner);
        state.writing = true;
        std::mem::take(&mut state.waiting)
    }

    /// Notes the end of a write. Returns the number of lost lines if it has to be told now: the
    /// output works again and nothing waits. Before that, more lines may be lost.
    fn caught_up(&self, works: bool) -> Option<u64> {
        let mut state = self.state();
        state.writing = false;
        let now = works && state.waiting.is_empty() && state.lost > state.told;
        if now {
            state.told = state.lost;
        }
        let lost = state.lost;
        drop(state);
        self.0.changed.notify_all();
        now.then_some(lost)
    }
}

impl State {
    /// Counts the lines of a text that is not written.
    fn lose(&mut self, text: &[u8]) {
        let lines = text.split(|byte| *byte == b'\n').skip(1).count() as u64;
        if lines > 0 {
            self.lost += lines;
            metrics::log_lines_lost(self.lost);
        }
    }
}

/// `tracing-subscriber` writes each event in one call.
impl Write for LogWriter {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.push(text);
        Ok(text.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Splits lines into pieces: as many whole lines as fit, or one longer line.
fn pieces(mut lines: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        let ends_line = |byte: &u8| *byte == b'\n';
        let fits = &lines[..lines.len().min(PIECE)];
        let end = fits
            .iter()
            .rposition(ends_line)
            .or_else(|| lines.iter().position(ends_line))
            .map_or(lines.len(), |last| last + 1);
        let (piece, rest) = lines.split_at(end);
        lines = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

/// Writes a piece, after a line feed if the output ends within a line. Returns how much of the piece
/// was written.
fn write(output: &mut impl Write, piece: &[u8], torn: bool) -> (usize, io::Result<()>) {
    if torn && let Err(error) = write_some(output, b"\n") {
        return (0, Err(error));
    }
    let mut written = 0;
    while written < piece.len() {
        match write_some(output, &piece[written..]) {
            Ok(count) => written += count,
            Err(error) => return (written, Err(error)),
        }
    }
    (written, Ok(()))
}

/// Writes at least one byte, or fails.
fn write_some(output: &mut impl Write, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match output.write(bytes) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Another program that shares the file description has made it non-blocking.
            Err(error) if error.kind() == ErrorKind::WouldBlock => thread::park_timeout(RETRY),
            outcome => return outcome,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    /// An output whose writes the test answers one by one, with the number of bytes to take.
    struct Gate {
        attempts: Sender<Vec<u8>>,
        answers: Receiver<io::Result<usize>>,
    }

    impl Write for Gate {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.attempts.send(bytes.to_owned()).ok();
            self.answers
                .recv()
                .unwrap_or_else(|_| Err(ErrorKind::BrokenPipe.into()))
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Test {
        log: LogWriter,
        attempts: Receiver<Vec<u8>>,
        answers: Sender<io::Result<usize>>,
        told: Receiver<u64>,
    }

    fn start(capacity: usize) -> Test {
        let ((attempts, attempted), (answer, answers), (tell, told)) = (channel(), channel(), channel());
        let log = LogWriter::start(Gate { attempts, answers }, capacity, move |lines| {
            tell.send(lines).ok();
        });
        Test {
            log,
            attempts: attempted,
            answers: answer,
            told,
        }
    }

    impl Test {
        /// Expects a write of this text and lets the output take it, or a part of it, or fail.
        fn answer(&self, text: &str, answer: io::Result<usize>) {
            assert_eq!(String::from_utf8(self.attempts.recv().unwrap()).unwrap(), text);
            self.answers.send(answer).unwrap();
        }

        fn works(&self, text: &str) {
            self.answer(text, Ok(text.len()));
        }

        fn fails(&self, text: &str) {
            self.answer(text, Err(ErrorKind::StorageFull.into()));
        }
    }

    #[test]
    fn r11_lines_that_do_not_fit_are_counted_and_told_when_the_output_works_again() {
        let test = start(8);
        test.log.push(b"first\n");
        // The output is stuck within this write.
        assert_eq!(test.attempts.recv().unwrap(), b"first\n");
        test.log.push(b"second\n");
        test.log.push(b"third\n");
        test.log.push(b"fourth\n");
        test.answers.send(Ok(6)).unwrap();
        test.works("second\n");
        assert_eq!(test.told.recv(), Ok(2));
        // Told once.
        test.log.push(b"fifth\n");
        test.works("fifth\n");
        test.log.drain(Duration::from_mins(1));
        assert!(test.told.try_recv().is_err());
    }

    #[test]
    fn r11_lines_that_cannot_be_written_are_counted_and_never_run_into_others() {
        let test = start(100);
        test.log.push(b"first\n");
        test.answer("first\n", Ok(2));
        test.fails("rst\n");
        test.log.drain(Duration::from_mins(1));
        test.log.push(b"second\n");
        test.fails("\n");
        test.log.drain(Duration::from_mins(1));
        assert!(test.told.try_recv().is_err(), "the output does not work yet");
        test.log.push(b"third\n");
        test.works("\n");
        test.works("third\n");
        assert_eq!(test.told.recv(), Ok(2));
    }

    #[test]
    fn r10_a_stuck_output_ends_the_wait_at_its_bound() {
        let test = start(100);
        test.log.push(b"first\n");
        test.log.drain(Duration::from_millis(1));
        test.works("first\n");
    }

    #[test]
    fn r10_a_non_blocking_output_that_is_full_gets_the_line_later() {
        let test = start(100);
        test.log.push(b"first\n");
        test.answer("first\n", Err(ErrorKind::WouldBlock.into()));
        test.answer("first\n", Err(ErrorKind::Interrupted.into()));
        test.works("first\n");
    }

    #[test]
    fn r10_a_piece_has_whole_lines_and_fits_into_one_write_of_a_pipe() {
        let line = format!("{}\n", "x".repeat(999));
        let long = format!("{}\n", "y".repeat(9999));
        let lines = format!("{}{long}{line}z", line.repeat(6));
        let pieces: Vec<usize> = pieces(lines.as_bytes()).map(<[u8]>::len).collect();
        assert_eq!(pieces, [4000, 2000, 10_000, 1000, 1]);
    }
}
