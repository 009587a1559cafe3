//! The tests of the binary from outside: the real program, real ports, foreign clients.

mod administration;
mod cluster;
mod foreign;
mod foreign_verifiers;
mod full_disk;
mod harness;
mod issuer;
mod killed;
mod platform;
mod schemathesis;
mod sdk;
mod served;
mod stopped;
mod transferred;
