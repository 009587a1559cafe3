//! Access tokens, which resource servers verify, and refresh tokens, which only this service
//! verifies.

pub mod access;
pub mod refresh;
