//! This crate contains only tests: the pages in a real browser.
