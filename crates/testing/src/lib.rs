//! Test support: servers, faults, load and checks for the tests of the other crates.
//!
//! - [`postgres`]: starts a PostgreSQL server from the installed package.
//! - [`fault_proxy`]: a TCP proxy in front of PostgreSQL that cuts, holds or slows connections, or
//!   loses an answer.
//! - [`three_nodes`]: starts three nodes behind HAProxy on one PostgreSQL server.
//! - [`history`]: records calls and answers, and checks that the answers are linearizable.
//! - [`bot`] and [`ledger`]: clients that work under faults, and the check that every acknowledged
//!   write is still there.

pub mod bot;
pub mod fault_proxy;
pub mod history;
pub mod ledger;
pub mod poll;
pub mod postgres;
pub mod three_nodes;

mod ports;
mod processes;
