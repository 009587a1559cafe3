//! Tests of the binary from outside: the tests run the real program on real ports and use clients in
//! several languages.

mod administration;
mod cluster;
mod crash;
mod dev;
mod doctor;
mod examples;
mod export_import;
mod external_program;
mod full_disk;
mod issuer;
mod log_output;
mod open_files;
mod platform;
mod restore;
mod schemathesis;
mod sdk;
mod secret_files;
mod service;
mod shutdown;
mod signals;
mod standard_streams;
mod surroundings;
