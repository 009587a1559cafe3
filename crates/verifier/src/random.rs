//! Random ids. They do not have to be secret.

use std::fmt::Write as _;

/// Returns 128 random bits as 32 hexadecimal digits.
pub(crate) fn hex() -> String {
    let mut bytes = [0; 16];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system provides randomness");
    bytes.iter().fold(String::with_capacity(32), |mut text, byte| {
        write!(text, "{byte:02x}").expect("writing to a String cannot fail");
        text
    })
}
