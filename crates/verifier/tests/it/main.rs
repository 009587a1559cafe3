//! The verifier as a whole. A test's name begins with the rows of the security matrix that it holds.

mod forged;
mod headers;
mod http;
mod key_cache;
mod key_replacement;
mod layer;
mod lifecycle;
mod lifetime;
mod mistaken;
mod pure;
mod revocation_feed;
mod revocation_list;
mod support;
mod vectors;
