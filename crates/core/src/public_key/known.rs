//! Keys whose private half anybody can read: scalars 1 to 64, the examples of RFC 5903, 6979, 7515 and 7517,
//! and the P-256 keys of Wycheproof. People paste such keys into services more often than one would think.
//!
//! `known.txt` holds the first 16 bytes of each x coordinate, sorted. The x coordinate alone, since a key
//! and its negative share it and whoever knows one private half knows the other.

const KNOWN: &str = include_str!("known.txt");

/// Whether the key with this x coordinate is on the list.
pub(super) fn contains(x: &[u8]) -> bool {
    let mut prefix = [0; 16];
    prefix.copy_from_slice(&x[..16]);
    let prefix = format!("{:032x}", u128::from_be_bytes(prefix));
    KNOWN.lines().any(|line| line == prefix)
}
