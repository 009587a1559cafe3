//! The clock of a test server as the clock of a verifier.

use std::sync::Arc;

use tm_auth_server::clock::ManualClock;

pub(crate) struct ServerTime(pub(crate) Arc<ManualClock>);

impl tm_auth_verifier::Clock for ServerTime {
    fn now(&self) -> jiff::Timestamp {
        tm_auth_server::clock::Clock::now(&*self.0)
    }
}
