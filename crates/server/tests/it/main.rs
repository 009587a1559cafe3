//! The service over real sockets, with a clock that stands until it is moved. Files mirror the URLs.

mod refresh_token_forgery;
mod reuse_storm;
mod api_key_token;
mod captured_log;
mod signature_forms;
mod smoke;
mod support;
mod token_refresh;
mod token_refresh_race;
mod token_revoke;
