//! The edge of the server over real loopback sockets: what arrives slowly, in excess or malformed,
//! and how it stops.
//!
//! Deadlines are settings here, a fraction of a second; whatever is waited for has a ceiling far
//! above them.

#![allow(unreachable_pub, reason = "a test binary has no outside")]

mod application;
mod deadlines;
mod framing;
mod overload;
mod sizes;
mod stopping;
mod tls;
