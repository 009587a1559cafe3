//! The auth service over HTTP.
//!
//! A request's way is the same everywhere: [`listener`] → [`router`] → `api/<noun>` → the rules in
//! `tm-auth-core` → the store → answer. `docs/ARCHITECTURE.md` walks a mint, a refresh and a revocation
//! through these files.

mod api;
pub mod app;
mod apple;
mod background;
mod bearer;
mod browser;
pub mod client_address;
pub mod clock;
pub mod config;
mod cookie;
mod device;
mod error;
mod json;
mod key_management;
pub mod key_ring;
mod limits;
pub mod listener;
pub mod mail;
pub mod metrics;
mod notices;
pub mod openapi;
mod pages;
mod passkeys;
pub mod random;
pub mod rate_limit;
mod reached_limits;
mod recovery;
mod refusals;
mod reminders;
mod request;
pub mod request_deadline;
mod revocations;
pub mod router;
mod same_origin;
pub mod serve;
pub mod service_keys;
mod sign_in;
mod sign_in_code;
mod usage;

pub use app::App;
pub use config::Config;
