//! The client against the stand-in, over HTTP, with a clock that is turned by hand.

mod api;
mod bounded;
mod clock;
mod key_file;
mod recovery;
mod sharing;
mod signer;

use std::sync::Arc;
use std::time::Duration;

use tm_auth_client::testing::{Issuer, TestRuntime};
use tm_auth_client::{AccessToken, TokenSource};

/// A stand-in, its clock, and one bot's token source.
struct Bench {
    clock: Arc<TestRuntime>,
    issuer: Issuer,
    source: TokenSource,
}

impl Bench {
    async fn new() -> Self {
        let clock = Arc::new(TestRuntime::default());
        let issuer = Issuer::start(clock.clone()).await.unwrap();
        let source = issuer.token_source(clock.clone());
        Self {
            clock,
            issuer,
            source,
        }
    }

    /// A bench whose source holds a token that has just ended.
    async fn with_an_ended_token() -> (Self, AccessToken) {
        let bench = Self::new().await;
        let token = bench.source.access_token().await.unwrap();
        bench.clock.advance(HOUR);
        (bench, token)
    }

    fn counts(&self) -> (usize, usize) {
        (self.issuer.mints(), self.issuer.refreshes())
    }
}

const HOUR: Duration = Duration::from_hours(1);
/// From a mint until its token is due for a refresh but still good for minutes.
const ALMOST_AN_HOUR: Duration = Duration::from_secs(3400);
