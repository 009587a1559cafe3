//! The auth service over HTTP.
//!
//! A request to the API passes [`tm_auth_listener`], [`router`], `middleware`, `api/<noun>`,
//! `app/<noun>`, the rules in `tm-auth-core` and the store. `docs/ARCHITECTURE.md` follows a mint,
//! a refresh and a revocation through these files.

mod api;
pub mod app;
mod apple;
mod auth;
pub mod clock;
pub mod config;
mod error;
pub mod http;
pub mod mail;
pub mod metrics;
mod middleware;
pub mod open_files;
pub mod openapi;
mod pages;
mod passkeys;
pub mod random;
pub mod rate_limits;
pub mod router;
pub mod serve;
pub mod signing_keys;
mod trusted_clock;

pub use app::App;
pub use config::Config;
