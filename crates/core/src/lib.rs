//! The rules of the auth service, pure and synchronous: time, randomness and rows are arguments.
//!
//! A mint goes through [`challenge::Challenge`] (is it well formed and fresh?), [`api_key::ApiKey::prove`]
//! (does the signature hold, may the key?) and [`session::open`] (what is stored, what is handed out). A
//! refresh goes through [`token::refresh`] (is the token ours?) and [`rotation::decide`] (is it the newest?).
//! Each step demands the value that the step before made, so none can be left out.

pub mod account;
pub mod api_key;
pub mod challenge;
pub mod email_address;
pub mod label;
pub mod one_time_code;
pub mod passkey;
pub mod person;
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
pub mod user_text;

pub use account::Account;
pub use api_key::{ApiKey, ProvenKey};
pub use challenge::Challenge;
pub use email_address::EmailAddress;
pub use public_key::PublicKey;
pub use refusal::Refusal;
