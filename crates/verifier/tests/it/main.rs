//! Tests of the verifier's public interface. A test name begins with the ids of the rows of the
//! security matrix that the test holds.

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
