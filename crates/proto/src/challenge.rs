//! The texts that a key's holder signs. Each purpose has a text that no other purpose can produce.

use jiff::Timestamp;

use crate::{AccountId, KeyId};

/// What a mint signs: `{key_id}.{timestamp}`, the key id exactly as sent.
pub fn mint(key_id: &str, timestamp: i64) -> String {
    format!("{key_id}.{timestamp}")
}

/// What the registration of a public key signs, so that nobody registers a key without holding it.
///
/// It begins with a word and contains line breaks, so it can never equal the text of a mint; it names the
/// issuer and the account, so a proof given to one cannot be used at another.
pub fn registration(issuer: &str, account: AccountId, fingerprint: &str, timestamp: i64) -> String {
    format!("tm-auth key registration v1\n{issuer}\n{account}\n{fingerprint}\n{timestamp}")
}

/// What confirms that the file of a pending key is saved: whoever signs it holds the private half *after* the page
/// handed it over. No mint and no registration has this text.
pub fn activation(issuer: &str, key_id: KeyId, timestamp: i64) -> String {
    format!("tm-auth key activation v1\n{issuer}\n{key_id}\n{timestamp}")
}

/// Unix seconds of an instant, as the texts carry them.
pub fn seconds(at: Timestamp) -> i64 {
    at.as_second()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Existing clients sign these bytes: a change here locks each of them out.
    #[test]
    fn d01_c07_the_signed_texts_are_these_bytes() {
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
    fn d01_an_instant_is_signed_as_its_whole_second() {
        let at = Timestamp::from_millisecond(1_764_000_000_999).unwrap();
        assert_eq!(seconds(at), 1_764_000_000);
    }
}
