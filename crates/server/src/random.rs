//! The only source of random bytes: the cryptographic library's generator, seeded by the system.

/// Returns random bytes.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // This fails only if the system has no entropy. No secret may be generated then.
    aws_lc_rs::rand::fill(&mut bytes).expect("the system gives random bytes");
    bytes
}
