//! Time, randomness and waiting, passed as arguments so that a test can set them by hand.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use jiff::Timestamp;

/// The future that [`Runtime::sleep`] returns.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The source of time and randomness of a [`TokenSource`](crate::TokenSource).
pub trait Runtime: Send + Sync + 'static {
    /// Returns the time of the local clock. It may be wrong: if the service refuses a timestamp,
    /// the token source measures the difference and corrects for it.
    fn now(&self) -> Timestamp;

    /// Waits for `duration`.
    fn sleep(&self, duration: Duration) -> Sleep;

    /// Returns a uniformly distributed number. It only spreads the requests of many bots over time;
    /// security does not depend on it.
    fn random(&self) -> u64;
}

/// The system clock, tokio's timer and the system's random numbers.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRuntime;

impl Runtime for SystemRuntime {
    #[allow(
        clippy::disallowed_methods,
        reason = "the only place that reads the real clock"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(duration))
    }

    fn random(&self) -> u64 {
        let mut bytes = [0; 8];
        // Without randomness the requests of several bots are not spread, which is harmless.
        if aws_lc_rs::rand::fill(&mut bytes).is_err() {
            tracing::warn!("the system provides no randomness; the times of requests are not spread");
        }
        u64::from_le_bytes(bytes)
    }
}
