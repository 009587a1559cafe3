//! Client of the True Markets auth service.
//!
//! What happens between a bot and the service:
//!
//! 1. The bot loads its key file ([`key_file::load`]) and makes a [`Signer`] of it. The private key stays in
//!    this process.
//! 2. *Mint*: it signs `{key_id}.{timestamp}` and gets an access token and a refresh token
//!    ([`AuthApi::mint`]).
//! 3. It sends the access token to the Gateway as `Authorization: Bearer …`.
//! 4. *Refresh*: before the access token ends, it exchanges the refresh token for a new pair
//!    ([`AuthApi::refresh`]). A lost answer costs nothing: the same refresh token is sent again, and the
//!    service gives the same successor.
//! 5. Where the session is over, it goes back to step 2. Losing a refresh token is no incident.
//!
//! [`TokenSource`] does steps 2 to 5 for all tasks of a bot, so that a bot calls
//! [`TokenSource::access_token`] before every request and thinks no further.
//!
//! Time, randomness and waiting come from a [`Runtime`], the machine's own by default. The feature
//! `testing` has a stand-in for the service and a clock to turn by hand.

pub mod api;
pub mod error;
pub mod key_file;
pub mod runtime;
pub mod signer;
#[cfg(feature = "testing")]
pub mod testing;
pub mod token_source;

pub use api::AuthApi;
pub use error::{ApiError, Refusal};
pub use key_file::KeyFileError;
pub use runtime::{Runtime, SystemRuntime};
pub use signer::{Signer, SignerError};
pub use token_source::{AccessToken, TokenError, TokenSource};

pub use tm_auth_proto as proto;

/// Runs the examples of the crate's README.
#[cfg(all(doctest, feature = "testing"))]
#[doc = include_str!("../README.md")]
struct ReadmeExamples;
