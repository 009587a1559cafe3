//! What the tests need beside the service itself.
//!
//! - [`postgres`]: a PostgreSQL server of one's own, from the installed package.
//! - [`fault_proxy`]: a network path to it that is cut, held, slowed, or loses an answer.
//! - [`three_nodes`]: three nodes behind HAProxy on one PostgreSQL.
//! - [`history`]: what was asked and answered, and whether one register could have answered so.
//! - [`bot`] and [`ledger`]: clients at work under faults, and whether what was acknowledged to them still holds.

pub mod bot;
pub mod fault_proxy;
pub mod history;
pub mod ledger;
pub mod postgres;
pub mod three_nodes;

mod poll;
mod ports;
mod processes;
