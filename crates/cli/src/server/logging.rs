//! The log: one line per event on standard error.

use tm_auth_server::config::{Log, LogFormat};
use tracing_subscriber::EnvFilter;

/// Sets it up for the rest of the process.
pub(super) fn init(log: &Log) {
    // The library that reads passkeys calls what strangers send it an error, at that level. The request's own line has
    // the reason.
    let filter = EnvFilter::new(format!("{},webauthn_rs_core=off", log.level.as_str()));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match log.format {
        LogFormat::Json => builder.json().flatten_event(true).with_span_list(false).init(),
        LogFormat::Text => builder.init(),
    }
}
