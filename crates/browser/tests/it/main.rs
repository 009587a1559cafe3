//! Tests of the pages in Chromium.

mod framing;
mod journeys;
mod pages;
mod postgres;
mod private_key_leak;
mod self_test;
mod sign_up;
mod sqlite;
mod support;
