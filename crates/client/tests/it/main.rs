//! The client against the stand-in, over HTTP, with a clock that the tests set by hand.

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

/// The stand-in, its clock, and the token source of one bot.
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

    /// Also returns the token of the source, which has just expired.
    async fn with_expired_token() -> (Self, AccessToken) {
        let bench = Self::new().await;
        let token = bench.source.access_token().await.unwrap();
        bench.clock.advance(HOUR);
        (bench, token)
    }

    /// The numbers of mints and refreshes.
    fn counts(&self) -> (usize, usize) {
        (self.issuer.mints(), self.issuer.refreshes())
    }
}

/// The lifetime of an access token.
const HOUR: Duration = Duration::from_hours(1);
/// After this long a token is due for a refresh, but still valid for minutes.
const ALMOST_AN_HOUR: Duration = Duration::from_secs(3400);
