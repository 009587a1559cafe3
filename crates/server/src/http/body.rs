//! How large a body may be, and how long it may take to arrive.

use std::time::Duration;

/// The limits of a request's body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyLimits {
    /// Most bytes.
    pub(crate) bytes: usize,
    /// From the first byte to the last.
    pub(crate) deadline: Duration,
}
