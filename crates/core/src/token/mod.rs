//! Tokens: access tokens for resource servers, refresh tokens for this service alone.

pub mod access;
pub mod refresh;
