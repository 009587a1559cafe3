//! Limits on the size of a body and on the time in which it must arrive.

use std::time::Duration;

/// The limits of a request's body.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BodyLimits {
    /// Maximum number of bytes.
    pub(crate) bytes: usize,
    /// Time for the whole body, counted from the moment the service starts to read it.
    pub(crate) deadline: Duration,
}
