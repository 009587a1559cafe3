//! The pages in a real browser. There is nothing here but tests.
