//! The texts that a key's holder signs. Each purpose has a text that no other purpose can produce.

use jiff::Timestamp;

use crate::AccountId;

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

/// Unix seconds of an instant, as the texts carry them.
pub fn seconds(at: Timestamp) -> i64 {
    at.as_second()
}
