//! Parses a public key as pasted by a user.
//!
//! 1. Look for a private key in any form ([`private`]), before anything else can be wrong.
//! 2. Strip what surrounds pasted text: quotes, invisible characters, escaped line breaks
//!    ([`encoding::unescaped`]).
//! 3. Recognise the encoding: JWK, PEM, SSH, the text of OpenSSL, hex or base64.

mod encoding;
mod jwk;
mod private;
mod ssh;

use encoding::{decode_base64, decode_hex, text_in, unescaped};
use tm_auth_proto::PublicKeyInput;

use super::{PublicKey, SPKI_PREFIX};
use crate::Refusal;

/// Maximum length of a text, in bytes. A PEM of a P-256 key has 178 bytes; RFC 7468 section 2 allows
/// explanations around it.
const MAX_TEXT: usize = 4096;

/// DER prefix of a SubjectPublicKeyInfo before a compressed P-256 point.
const COMPRESSED_SPKI_PREFIX: [u8; 26] = {
    let mut prefix = SPKI_PREFIX;
    prefix[1] = 0x39;
    prefix[24] = 0x22;
    prefix
};

const NOT_P256: Refusal = Refusal::InvalidPublicKey("must be a point on P-256 (prime256v1, secp256r1)");

impl PublicKey {
    /// Parses a key in any accepted encoding. Detects private keys, so that their owners learn to
    /// discard them. The refusal does not contain any part of the input.
    pub fn parse(input: &PublicKeyInput) -> Result<Self, Refusal> {
        let key = match input {
            PublicKeyInput::Text(text) => from_text(text)?,
            PublicKeyInput::Jwk(jwk) => jwk::parse(jwk)?,
        };
        if key.is_known() {
            Err(Refusal::KnownPrivateKey)
        } else {
            Ok(key)
        }
    }
}

fn from_text(text: &str) -> Result<PublicKey, Refusal> {
    // Before the length check: an RSA private key is longer, and its owner must learn of it, too.
    if let Some(form) = private::form(text) {
        return Err(Refusal::PrivateKeySubmitted(form));
    }
    if text.len() > MAX_TEXT {
        return Err(Refusal::InvalidPublicKey(
            "must not be longer than the encoding of a P-256 public key",
        ));
    }
    if let Some(jwk) = jwk::from_json(text) {
        return jwk::parse(&jwk?);
    }
    let plain = unescaped(text);
    if plain.is_empty() {
        return Err(Refusal::InvalidPublicKey(
            "is empty; send PEM, a JWK, an SSH key, base64 or hex",
        ));
    }
    let decoded = decode_base64(&plain);
    // Some consoles and secret stores encode a whole PEM once more.
    match decoded.as_deref().and_then(text_in) {
        Some(inner) => from_plain(&unescaped(inner), None),
        None => from_plain(&plain, decoded),
    }
}

fn from_plain(text: &str, decoded: Option<Vec<u8>>) -> Result<PublicKey, Refusal> {
    if text.contains("-----") {
        return from_pem(text);
    }
    if let Some(key) = ssh::from_line(text) {
        return key;
    }
    // `openssl ec -pubin -text` prints the point as indented hex after this line.
    if let Some((_, hex)) = text.split_once("pub:") {
        let digits: Vec<&str> = hex
            .split_whitespace()
            .take_while(|word| word.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b':'))
            .collect();
        return from_bytes(&decode_hex(&digits.concat()).ok_or(NOT_P256)?);
    }
    let bytes = decode_hex(text).or(decoded).ok_or(Refusal::InvalidPublicKey(
        "must be PEM, a JWK, an SSH key, base64 or hex",
    ))?;
    from_bytes(&bytes)
}

/// Parses a PEM (RFC 7468) with exactly one block, whatever is written around it.
fn from_pem(text: &str) -> Result<PublicKey, Refusal> {
    let single = || {
        Refusal::InvalidPublicKey("a PEM must be a single block that starts with -----BEGIN PUBLIC KEY-----")
    };
    let (_, rest) = text.split_once("-----BEGIN ").ok_or_else(single)?;
    let (label, rest) = rest.split_once("-----").ok_or_else(single)?;
    match label {
        "PUBLIC KEY" | "EC PUBLIC KEY" => {}
        "CERTIFICATE" => {
            return Err(Refusal::InvalidPublicKey(
                "is a certificate; send its public key, which `openssl x509 -noout -pubkey` prints",
            ));
        }
        _ => return Err(single()),
    }
    let (body, after) = rest
        .split_once(&format!("-----END {label}-----"))
        .ok_or_else(single)?;
    if after.contains("-----BEGIN ") {
        return Err(single());
    }
    let bytes = decode_base64(body).ok_or(Refusal::InvalidPublicKey("a PEM must contain base64"))?;
    from_bytes(&bytes)
}

fn from_bytes(bytes: &[u8]) -> Result<PublicKey, Refusal> {
    if let Some(form) = private::form_of_bytes(bytes) {
        return Err(Refusal::PrivateKeySubmitted(form));
    }
    match bytes {
        [0x30, ..] => from_spki(bytes),
        [0, ..] => ssh::from_blob(bytes),
        _ => PublicKey::from_sec1(bytes),
    }
    .ok_or(NOT_P256)
}

fn from_spki(der: &[u8]) -> Option<PublicKey> {
    let point = der
        .strip_prefix(&SPKI_PREFIX)
        .or_else(|| der.strip_prefix(&COMPRESSED_SPKI_PREFIX))?;
    PublicKey::from_sec1(point)
}

#[cfg(test)]
mod tests;
