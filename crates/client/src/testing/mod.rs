//! A stand-in for the auth service and a clock that tests set by hand, for the tests of a bot.
//!
//! [`Issuer`] listens on a loopback port, so the code under test runs as in production: over HTTP,
//! with real signatures. It follows the service's rules for mints and refreshes, and tests can make
//! it fail.
//!
//! ```
//! use std::sync::Arc;
//! use tm_auth_client::proto::ErrorCode;
//! use tm_auth_client::testing::{Issuer, TestRuntime};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let runtime = Arc::new(TestRuntime::default());
//! let issuer = Issuer::start(runtime.clone()).await?;
//! let source = issuer.token_source(runtime.clone());
//!
//! let first = source.access_token().await?;
//! assert_eq!(issuer.mints(), 1);
//!
//! // An hour later the service has ended the session: the source mints again, and the bot does
//! // not notice.
//! runtime.advance(std::time::Duration::from_hours(1));
//! issuer.end_sessions();
//! let second = source.access_token().await?;
//! assert_ne!(first, second);
//! assert_eq!(issuer.mints(), 2);
//!
//! // An outage while the token is valid: the bot continues to use it.
//! issuer.refuse_always(Some(ErrorCode::Unavailable));
//! runtime.advance(std::time::Duration::from_secs(3400));
//! assert_eq!(source.access_token().await?, second);
//! # Ok(())
//! # }
//! ```

mod http;
mod issuer;
mod runtime;
mod sessions;

pub use issuer::{Issuer, SeenRequest};
pub use runtime::TestRuntime;
