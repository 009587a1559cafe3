//! Public keys whose private key is public. Users do paste such keys into services. The list has
//!
//! - the scalars 1 to 64, one byte 32 times (such as 0x11…11), and simple series and patterns,
//! - the examples of RFC 5903, 6979, 7515, 7517, 7518, 8152, 8291 and 9421, and of jwt.io,
//! - the P-256 keys of Wycheproof.
//!
//! `known.txt` lists the first 16 bytes of each x coordinate. A key and its negative have the same
//! x coordinate, and the private key of one gives that of the other.

const KNOWN: &str = include_str!("known.txt");

/// Whether the key with this x coordinate is on the list.
pub(super) fn contains(x: &[u8]) -> bool {
    let mut prefix = [0; 16];
    prefix.copy_from_slice(&x[..16]);
    let prefix = format!("{:032x}", u128::from_be_bytes(prefix));
    KNOWN.lines().any(|line| line == prefix)
}
