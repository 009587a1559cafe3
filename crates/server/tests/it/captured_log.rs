//! Captures the service's log at every level in its default format while a test runs.
//!
//! A `#[tokio::test]` runs client and service on one thread, so the log of the thread is the log of
//! the test. The subscriber is global: `tracing` caches for each place in the code whether it is
//! enabled, so a thread's own subscriber would miss places that another thread reached first.

use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::{Mutex, Once};

use serde_json::Value;
use tracing::level_filters::LevelFilter;

thread_local! {
    static LOG: RefCell<Option<Rc<RefCell<Vec<u8>>>>> = const { RefCell::new(None) };
}

/// The log of the whole process since the first call of [`whole_log`].
static WHOLE_LOG: Mutex<Option<Vec<u8>>> = Mutex::new(None);

/// The log of the process since the first call, with the lines of other threads such as the
/// database's writer.
pub(crate) fn whole_log() -> String {
    subscribe();
    let mut log = WHOLE_LOG.lock().unwrap();
    String::from_utf8(log.get_or_insert_default().clone()).unwrap()
}

/// Captures the log of this thread until it is dropped.
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

    /// The only line about the request with this id.
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
