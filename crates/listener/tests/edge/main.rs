//! The listener over real loopback sockets: requests that are slow, too large or malformed, too
//! many connections, and the stop.
//!
//! A test shortens a deadline to a fraction of a second. The ceiling for each wait of a test is far
//! longer.

#![allow(unreachable_pub, reason = "a test binary has no outside")]

mod application;
mod deadlines;
mod framing;
mod overload;
mod sizes;
mod stopping;
mod tls;
