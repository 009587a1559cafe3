//! SSH public keys (RFC 5656 section 3.1): `ecdsa-sha2-nistp256 AAAA… comment`.

use super::encoding::decode_base64;
use crate::{PublicKey, Refusal};

const TYPE: &str = "ecdsa-sha2-nistp256";
const CURVE: &str = "nistp256";

/// Parses a line of `id_ecdsa.pub` or `authorized_keys`. `None` if the text has no SSH key.
pub(super) fn from_line(text: &str) -> Option<Result<PublicKey, Refusal>> {
    let mut words = text.split_whitespace().skip_while(|word| !is_type(word));
    if words.next()? != TYPE {
        return Some(Err(Refusal::InvalidPublicKey(
            "an SSH key must be of type ecdsa-sha2-nistp256",
        )));
    }
    let key = words
        .next()
        .and_then(decode_base64)
        .and_then(|blob| from_blob(&blob));
    Some(key.ok_or(Refusal::InvalidPublicKey(
        "an SSH key must be of type ecdsa-sha2-nistp256, and complete",
    )))
}

fn is_type(word: &str) -> bool {
    ["ssh-", "ecdsa-sha2-", "sk-ssh-", "sk-ecdsa-"]
        .iter()
        .any(|start| word.starts_with(start))
}

/// Parses the three strings of the key: type, curve, and the SEC1 point.
pub(super) fn from_blob(blob: &[u8]) -> Option<PublicKey> {
    let (kind, rest) = string(blob)?;
    let (curve, rest) = string(rest)?;
    let (point, rest) = string(rest)?;
    (kind == TYPE.as_bytes() && curve == CURVE.as_bytes() && rest.is_empty())
        .then(|| PublicKey::from_sec1(point))?
}

/// Reads a string (RFC 4251 section 5). Returns it and the rest.
fn string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}
