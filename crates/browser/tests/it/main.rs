//! What people see and do, in Debian's Chromium.

mod framing;
mod harness;
mod no_leak;
mod pages;
mod postgres;
mod sign_up;
mod sqlite;
mod story;
mod support;
