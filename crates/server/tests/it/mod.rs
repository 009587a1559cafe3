//! Tests of the service over real sockets, with a clock that only the tests advance. Files mirror
//! the URLs.
//!
//! Each test runs on both databases: `tests/sqlite.rs` and `tests/postgres.rs` include this one.

mod api_key_token;
mod api_keys;
mod api_keys_page;
mod apple;
mod audit_trail;
mod bearer;
mod browser_session;
mod budgets;
pub(super) mod captured_log;
mod clock_jump;
mod cross_origin;
mod cross_site;
mod database_outage;
mod email_code;
mod environments;
mod flood;
mod health;
mod histories_page;
mod issued_tokens;
mod jwks;
pub(super) mod key_forms;
mod log_canary;
mod log_injection;
mod mail;
mod openapi;
mod page_layout;
mod pages;
mod panics;
mod passkeys;
mod refresh_token_forgery;
mod refusal_causes;
mod reuse_storm;
mod revocation_list;
mod rewound_database;
mod security;
mod sessions;
mod shortened_expiry;
mod sign_in;
pub(super) mod signature_forms;
mod signing_key_rotation;
mod smoke;
mod stolen_database;
pub(super) mod support;
mod token_refresh;
mod token_refresh_burst;
mod token_refresh_race;
mod token_revoke;
mod wrong_clock;
