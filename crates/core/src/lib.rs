//! The rules of the auth service. The crate is pure and synchronous: time, randomness and database
//! rows are arguments.
//!
//! A mint takes these steps:
//!
//! 1. [`Challenge::parse`] checks syntax, freshness and environment of the request.
//! 2. [`ApiKey::verify_challenge`] verifies the signature, then checks that the key may be used.
//! 3. [`session::open`] derives the session to store.
//! 4. [`token::access`] and [`token::refresh`] issue its tokens.
//!
//! A refresh takes these steps:
//!
//! 1. [`token::refresh::Unverified`] verifies the presented token.
//! 2. [`session::Session::check_usable`] checks that the session and its key may be used.
//! 3. [`rotation::decide`] compares the token with the newest one of the session.
//! 4. [`token::access`] and [`token::refresh`] issue the next tokens.
//!
//! Verification steps return a value that the next step requires, so that no caller can skip them.

pub mod account;
pub mod api_key;
pub mod challenge;
pub mod clock_jump;
pub mod email_address;
pub mod email_code;
pub mod label;
pub mod passkey;
pub mod public_key;
pub mod recovery;
pub mod refusal;
pub mod registration;
pub mod rotation;
#[cfg(test)]
mod sample;
pub mod secret;
pub mod session;
pub mod signature;
pub mod signing;
pub mod token;
pub mod user;
pub mod user_text;

pub use account::Account;
pub use api_key::{ApiKey, AuthenticatedKey, Lifecycle};
pub use challenge::Challenge;
pub use email_address::EmailAddress;
pub use public_key::PublicKey;
pub use refusal::Refusal;
