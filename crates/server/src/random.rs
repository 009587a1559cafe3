//! The one place where the service takes random bytes: the library's generator, seeded by the
//! system.

/// Random bytes.
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // Fails only where the system has no entropy; then nothing secret may be made.
    aws_lc_rs::rand::fill(&mut bytes).expect("the system gives random bytes");
    bytes
}
