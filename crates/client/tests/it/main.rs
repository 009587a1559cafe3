//! Tests of the client over HTTP against [`Issuer`], a stand-in for the auth service. The tests set
//! the clock by hand.

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

/// A stand-in for the auth service, its clock, and the token source of one bot.
struct Fixture {
    clock: Arc<TestRuntime>,
    issuer: Issuer,
    source: TokenSource,
}

impl Fixture {
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

    /// Returns a fixture and the access token of its source, which has just expired.
    async fn with_expired_token() -> (Self, AccessToken) {
        let fixture = Self::new().await;
        let token = fixture.source.access_token().await.unwrap();
        fixture.clock.advance(HOUR);
        (fixture, token)
    }

    /// The numbers of mints and refreshes.
    fn counts(&self) -> (usize, usize) {
        (self.issuer.mints(), self.issuer.refreshes())
    }
}

/// The lifetime of an access token.
const HOUR: Duration = Duration::from_hours(1);
/// An age at which an access token is due for a refresh, but valid for 200 more seconds.
const ALMOST_AN_HOUR: Duration = Duration::from_secs(3400);
