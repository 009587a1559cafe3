//! The log: one line per event on standard error.

use std::io::IsTerminal;

use tm_auth_server::config::{Log, LogFormat, LogLevel};
use tracing::level_filters::LevelFilter;

/// Sets up the log for the rest of the process.
pub(super) fn init(log: &Log) {
    let builder = tracing_subscriber::fmt()
        .with_max_level(max_level(log.level))
        .with_writer(std::io::stderr);
    match log.format {
        LogFormat::Json => builder.json().flatten_event(true).with_span_list(false).init(),
        // Colours only on a terminal: in a file they are control characters.
        LogFormat::Text => builder.with_ansi(std::io::stderr().is_terminal()).init(),
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
