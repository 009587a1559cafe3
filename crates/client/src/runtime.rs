//! Time, randomness and waiting, as arguments: a test turns the clock instead of waiting for it.

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use jiff::Timestamp;

/// A wait that somebody else ends.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where a [`TokenSource`](crate::TokenSource) takes time, chance and patience from.
pub trait Runtime: Send + Sync + 'static {
    /// The local clock. It may be wrong: the source measures by how much when the service complains.
    fn now(&self) -> Timestamp;

    /// Resolves after `duration`.
    fn sleep(&self, duration: Duration) -> Sleep;

    /// A uniformly distributed number. It spreads the refreshes of many bots over time and decides nothing
    /// about security.
    fn random(&self) -> u64;
}

/// The machine's clock, tokio's timer and the cryptographic generator.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemRuntime;

impl Runtime for SystemRuntime {
    #[allow(
        clippy::disallowed_methods,
        reason = "this is the one real clock of the crate"
    )]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep(&self, duration: Duration) -> Sleep {
        Box::pin(tokio::time::sleep(duration))
    }

    fn random(&self) -> u64 {
        let mut bytes = [0; 8];
        // Without randomness the refreshes of several bots are not spread; that is no reason to stop one.
        if aws_lc_rs::rand::fill(&mut bytes).is_err() {
            tracing::warn!("the system gave no randomness; refresh times are not spread");
        }
        u64::from_le_bytes(bytes)
    }
}
