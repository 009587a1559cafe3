//! Random names. Nothing here has to be secret.

use std::fmt::Write as _;

/// 128 random bits in hex.
pub(crate) fn hex() -> String {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system gives randomness");
    bytes.iter().fold(String::with_capacity(32), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes any text");
        text
    })
}
