//! `POST /api-key/token`.

mod body;
mod credentials;
mod limits;
mod replay;
mod scopes;
mod signature;
mod timestamp;

pub(crate) const PATH: &str = "/api-key/token";
