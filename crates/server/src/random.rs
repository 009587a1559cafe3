//! Random bytes for the server's ids and secrets.

/// Returns random bytes from the cryptographic library's generator, which the system seeds.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // This fails only if the system has no entropy. The server must not create a secret then.
    aws_lc_rs::rand::fill(&mut bytes).expect("the system gives random bytes");
    bytes
}
