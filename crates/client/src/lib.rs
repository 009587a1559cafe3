//! Client of the True Markets auth service.
//!
//! The exchange between a bot and the service:
//!
//! 1. *Load*: the bot loads its key file ([`key_file::load`]) and creates a [`Signer`] from it. The
//!    private key stays in this process.
//! 2. *Mint*: it signs `{key_id}.{timestamp}` and gets an access token and a refresh token
//!    ([`AuthApi::mint`]).
//! 3. *Call*: it sends the access token to the Gateway as `Authorization: Bearer …`.
//! 4. *Refresh*: before the access token expires, it exchanges the refresh token for a new pair
//!    ([`AuthApi::refresh`]). If the response is lost, it sends the same refresh token again, and
//!    the service responds with the same successor.
//! 5. If the session is over, it goes back to step 2.
//!
//! [`TokenSource`] does steps 2, 4 and 5 for all tasks of a bot: the bot calls
//! [`TokenSource::access_token`] before every request.
//!
//! Time, randomness and waiting come from a [`Runtime`], by default the system's. The feature
//! `testing` has a stand-in for the service and a clock that tests set by hand.

pub mod api;
pub mod error;
pub mod key_file;
pub mod runtime;
pub mod signer;
#[cfg(feature = "testing")]
pub mod testing;
pub mod token_source;

pub use api::AuthApi;
pub use error::{ApiError, ServerError};
pub use key_file::KeyFileError;
pub use runtime::{Runtime, SystemRuntime};
pub use signer::{Signer, SignerError};
pub use token_source::{AccessToken, TokenError, TokenSource};

pub use tm_auth_proto as proto;

/// Runs the examples of the README as tests.
#[cfg(all(doctest, feature = "testing"))]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;
