//! The verifier as a whole. A test's name begins with the rows of the security matrix that it holds.

mod forged;
mod headers;
mod http;
mod key_cache;
mod layer;
mod lifetime;
mod mistaken;
mod pure;
mod revocation;
mod support;
mod vectors;
