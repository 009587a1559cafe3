//! What the service logs while a test runs, at every level, in the form that is the default.
//!
//! A `#[tokio::test]` runs client and service on one thread, so what this thread logs is what this
//! test logs. The subscriber is the process's, though: one of a thread would miss the places in the
//! code that a thread without one comes through first.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::{Mutex, Once};

use serde_json::Value;
use tracing::level_filters::LevelFilter;

thread_local! {
    static LOG: RefCell<Option<Rc<RefCell<Vec<u8>>>>> = const { RefCell::new(None) };
}

/// What the whole process logs from the first call of [`whole_log`] on.
static WHOLE_LOG: Mutex<Option<Vec<u8>>> = Mutex::new(None);

/// Captures what the process logs: other threads' lines too, such as those of the database's
/// writer.
pub(crate) fn whole_log() -> String {
    subscribe();
    let mut log = WHOLE_LOG.lock().unwrap();
    String::from_utf8(log.get_or_insert_default().clone()).unwrap()
}

/// Captures what this thread logs, until it is dropped.
pub(crate) struct CapturedLog(Rc<RefCell<Vec<u8>>>);

impl CapturedLog {
    pub(crate) fn start() -> Self {
        subscribe();
        let log = Rc::default();
        LOG.set(Some(Rc::clone(&log)));
        Self(log)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.borrow().clone()).unwrap()
    }

    /// The one line about the request with this id.
    pub(crate) fn line_of(&self, request_id: &str) -> Value {
        let text = self.text();
        let mut lines = text.lines().filter(|line| line.contains(request_id));
        let line = lines.next().expect("each request is logged");
        assert_eq!(lines.next(), None, "each request is logged once");
        serde_json::from_str(line).unwrap()
    }
}

impl Drop for CapturedLog {
    fn drop(&mut self) {
        LOG.set(None);
    }
}

fn subscribe() {
    static SUBSCRIBER: Once = Once::new();
    SUBSCRIBER.call_once(|| {
        tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .with_span_list(false)
            .with_max_level(LevelFilter::TRACE)
            .with_writer(|| Captured)
            .init();
    });
}

struct Captured;

impl io::Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.with_borrow(|log| {
            if let Some(log) = log {
                log.borrow_mut().extend_from_slice(bytes);
            }
        });
        if let Some(log) = WHOLE_LOG.lock().unwrap().as_mut() {
            log.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
