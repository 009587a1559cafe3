//! The service over real sockets, with a clock that stands until it is moved. Files mirror the URLs.

mod api_key_token;
mod api_keys;
mod bearer;
mod captured_log;
mod cross_origin;
mod database_outage;
mod environments;
mod health;
mod issued_tokens;
mod jwks;
mod key_forms;
mod log_canary;
mod log_injection;
mod openapi;
mod panics;
mod refresh_token_forgery;
mod reuse_storm;
mod revocation_list;
mod signature_forms;
mod signing_key_rotation;
mod smoke;
mod stolen_database;
mod support;
mod token_refresh;
mod token_refresh_race;
mod token_revoke;
