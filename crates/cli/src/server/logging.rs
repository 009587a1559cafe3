//! The log: one line per event on standard error. Nothing waits for it; see [`LogWriter`].

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::{self, IsTerminal};
use std::panic::PanicHookInfo;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use tm_auth_server::config::{Log, LogFormat, LogLevel};
use tracing::level_filters::LevelFilter;

use super::log_writer::LogWriter;
use crate::output;

/// How long the end of the process waits for the last lines of the log.
const LAST_LINES: Duration = Duration::from_millis(500);

static WRITER: OnceLock<LogWriter> = OnceLock::new();

/// From here on, [`note`] does not wait for standard error either.
pub(super) fn start() {
    WRITER.get_or_init(LogWriter::stderr);
}

/// Sets up the log for the rest of the process. Panics go to the log, too.
pub(super) fn init(log: &Log) {
    let writer = WRITER.get_or_init(LogWriter::stderr);
    let builder = tracing_subscriber::fmt()
        .with_max_level(max_level(log.level))
        // Its fallback is `eprintln!`, which panics if standard error is closed.
        .log_internal_errors(false)
        .with_writer(|| writer.clone());
    match log.format {
        LogFormat::Json => builder.json().flatten_event(true).with_span_list(false).init(),
        // Colours only on a terminal: in a file they are control characters.
        LogFormat::Text => builder.with_ansi(io::stderr().is_terminal()).init(),
    }
    std::panic::set_hook(Box::new(panicked));
}

/// Writes a line to the log as it is, or to standard error if there is no log.
pub(super) fn note(line: &str) {
    match WRITER.get() {
        Some(writer) => writer.push(format!("{line}\n").as_bytes()),
        None => output::note(line),
    }
}

/// Waits a moment for the last lines of the log.
pub(super) fn finish() {
    if let Some(writer) = WRITER.get() {
        writer.drain(LAST_LINES);
    }
}

/// The default hook would wait for standard error.
fn panicked(info: &PanicHookInfo<'_>) {
    let message = info.payload_as_str().unwrap_or("no message");
    let place = info.location().map(ToString::to_string).unwrap_or_default();
    let backtrace = Backtrace::capture();
    if backtrace.status() == BacktraceStatus::Captured {
        tracing::error!(error = format!("{message} at {place}\n{backtrace}"), "panic");
    } else {
        tracing::error!(error = format!("{message} at {place}"), "panic");
    }
    if thread::current().name() == Some("main") {
        finish();
    }
}

fn max_level(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}
