//! The tests of the binary from outside: the real program, real ports, foreign clients.

mod foreign;
mod foreign_verifiers;
mod harness;
mod issuer;
mod platform;
mod schemathesis;
mod sdk;
