//! The texts that the holder of a key signs. No text of one purpose equals a text of another.

use jiff::Timestamp;

use crate::{AccountId, KeyId};

/// Text that a mint signs: `{key_id}.{timestamp}`, with the key id exactly as sent.
pub fn mint(key_id: &str, timestamp: i64) -> String {
    format!("{key_id}.{timestamp}")
}

/// Text that proves possession of the private key when its public key is registered.
///
/// It contains line breaks, so it never equals the text of a mint. It names the issuer and the
/// account, so a proof made for one is useless at another.
pub fn registration(issuer: &str, account: AccountId, fingerprint: &str, timestamp: i64) -> String {
    format!("tm-auth key registration v1\n{issuer}\n{account}\n{fingerprint}\n{timestamp}")
}

/// Text that activates a pending key. The service chooses `key_id` when it registers the key, so
/// this signature proves that the caller kept the private key after the registration.
pub fn activation(issuer: &str, key_id: KeyId, timestamp: i64) -> String {
    format!("tm-auth key activation v1\n{issuer}\n{key_id}\n{timestamp}")
}

/// Unix seconds of an instant, rounded down: the timestamp of the texts above.
pub fn seconds(at: Timestamp) -> i64 {
    at.as_second()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Existing clients sign these bytes: a change here locks all of them out.
    #[test]
    fn d01_c07_the_signed_texts_are_fixed() {
        let account = AccountId(uuid::Uuid::from_u128(0xa11ce));
        assert_eq!(
            mint("b1f0c2d4-6a1e-8c55-9d1f-2f1a0c3b4d5e", 1_764_000_000),
            "b1f0c2d4-6a1e-8c55-9d1f-2f1a0c3b4d5e.1764000000"
        );
        assert_eq!(
            registration("https://issuer.example", account, "print", 1_764_000_000),
            "tm-auth key registration v1\nhttps://issuer.example\n00000000-0000-0000-0000-0000000a11ce\nprint\n1764000000"
        );
        let key_id = KeyId(uuid::Uuid::from_u128(0xb07));
        assert_eq!(
            activation("https://issuer.example", key_id, 1_764_000_000),
            "tm-auth key activation v1\nhttps://issuer.example\n00000000-0000-0000-0000-000000000b07\n1764000000"
        );
    }

    #[test]
    fn d01_a_timestamp_is_rounded_down_to_the_second() {
        let at = Timestamp::from_millisecond(1_764_000_000_999).unwrap();
        assert_eq!(seconds(at), 1_764_000_000);
    }
}
