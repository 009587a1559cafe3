//! Public keys whose private key is public: the scalars 1 to 64, the examples of RFC 5903, 6979,
//! 7515 and 7517, and the P-256 keys of Wycheproof. Users do paste such keys into services.
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
