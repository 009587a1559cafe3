//! Parses a public key as pasted by a user.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Map, Value};
use tm_auth_proto::PublicKeyInput;

use super::{PublicKey, SPKI_PREFIX};
use crate::Refusal;

/// Maximum length of a text, in bytes. A PEM of a P-256 key has 178 bytes.
const MAX_TEXT: usize = 1024;

const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const END: &str = "-----END PUBLIC KEY-----";

/// DER prefix of a SubjectPublicKeyInfo before a compressed P-256 point.
const COMPRESSED_SPKI_PREFIX: [u8; 26] = {
    let mut prefix = SPKI_PREFIX;
    prefix[1] = 0x39;
    prefix[24] = 0x22;
    prefix
};

impl PublicKey {
    /// Parses a key in any accepted encoding. Detects private keys, so that their owners learn to
    /// discard them. The refusal does not contain any part of the input.
    pub fn parse(input: &PublicKeyInput) -> Result<Self, Refusal> {
        let key = match input {
            PublicKeyInput::Text(text) => from_text(text)?,
            PublicKeyInput::Jwk(jwk) => from_jwk(jwk)?,
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
    if text.to_ascii_uppercase().contains("PRIVATE KEY") {
        return Err(Refusal::PrivateKeySubmitted);
    }
    if text.len() > MAX_TEXT {
        return Err(Refusal::InvalidPublicKey(
            "must not be longer than the encoding of a P-256 public key",
        ));
    }
    // In environment variables and JSON files, the line breaks of a PEM are often escaped.
    let text = text.replace("\\r", "").replace("\\n", "\n");
    let text = text.trim();
    if text.starts_with('{') {
        let jwk = serde_json::from_str(text)
            .map_err(|_| Refusal::InvalidPublicKey("must be valid JSON if it is a JWK"))?;
        return from_jwk(&jwk);
    }
    if text.contains("-----") {
        return from_pem(text);
    }
    if let Some(bytes) = decode_hex(text) {
        return from_bytes(&bytes);
    }
    from_bytes(&decode_base64(text).ok_or(Refusal::InvalidPublicKey("must be PEM, a JWK, base64 or hex"))?)
}

/// Parses a PEM (RFC 7468) with exactly one block labelled `PUBLIC KEY`.
fn from_pem(text: &str) -> Result<PublicKey, Refusal> {
    let body = text
        .strip_prefix(BEGIN)
        .and_then(|rest| rest.strip_suffix(END))
        .filter(|body| !body.contains('-'))
        .ok_or(Refusal::InvalidPublicKey(
            "a PEM must be a single block that starts with -----BEGIN PUBLIC KEY-----",
        ))?;
    let body: String = body.split_ascii_whitespace().collect();
    let der = STANDARD
        .decode(body)
        .map_err(|_| Refusal::InvalidPublicKey("a PEM must contain base64"))?;
    from_spki(&der).ok_or(NOT_P256)
}

const NOT_P256: Refusal = Refusal::InvalidPublicKey("must be a point on P-256 (prime256v1, secp256r1)");

fn from_bytes(bytes: &[u8]) -> Result<PublicKey, Refusal> {
    match bytes {
        [0x30, ..] if looks_private(bytes) => Err(Refusal::PrivateKeySubmitted),
        [0x30, ..] => from_spki(bytes).ok_or(NOT_P256),
        // A bare 256-bit number: some tools print private keys like this.
        _ if bytes.len() == 32 => Err(Refusal::PrivateKeySubmitted),
        _ => PublicKey::from_sec1(bytes).ok_or(NOT_P256),
    }
}

fn from_spki(der: &[u8]) -> Option<PublicKey> {
    let point = der
        .strip_prefix(&SPKI_PREFIX)
        .or_else(|| der.strip_prefix(&COMPRESSED_SPKI_PREFIX))?;
    PublicKey::from_sec1(point)
}

/// Whether this is a PKCS#8 or SEC1 private key: its SEQUENCE starts with a version number, that of
/// an SPKI with another SEQUENCE.
fn looks_private(der: &[u8]) -> bool {
    let content = match der {
        // 0x80 is the indefinite length of BER. It is invalid in DER, but this is a private key
        // anyway.
        [0x30, length, content @ ..] if *length <= 0x80 => content,
        [0x30, 0x81, _, content @ ..] | [0x30, 0x82, _, _, content @ ..] => content,
        _ => return false,
    };
    matches!(content, [0x02, 0x01, 0x00 | 0x01, ..])
}

fn from_jwk(jwk: &Map<String, Value>) -> Result<PublicKey, Refusal> {
    // Private members of EC, RSA and symmetric keys (RFC 7518 sections 6.2.2, 6.3.2 and 6.4.1), and
    // of the key file.
    if ["d", "p", "q", "k", "private_key"]
        .iter()
        .any(|member| jwk.contains_key(*member))
    {
        return Err(Refusal::PrivateKeySubmitted);
    }
    let text = |member: &str| jwk.get(member).and_then(Value::as_str);
    if text("kty") != Some("EC") || text("crv") != Some("P-256") {
        return Err(Refusal::InvalidPublicKey("a JWK must have kty EC and crv P-256"));
    }
    if text("alg").is_some_and(|alg| alg != "ES256") || text("use").is_some_and(|purpose| purpose != "sig") {
        return Err(Refusal::InvalidPublicKey("a JWK must be for ES256 signatures"));
    }
    // RFC 7518 section 6.2.1.2: "The length of this octet string MUST be the full size of a
    // coordinate".
    let coordinate = |member: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(text(member)?).ok()?;
        <[u8; 32]>::try_from(bytes).ok()
    };
    let (Some(x), Some(y)) = (coordinate("x"), coordinate("y")) else {
        return Err(Refusal::InvalidPublicKey(
            "x and y must be 32 bytes in unpadded base64url",
        ));
    };
    PublicKey::from_sec1(&[&[4], x.as_slice(), y.as_slice()].concat()).ok_or(NOT_P256)
}

fn decode_hex(text: &str) -> Option<Vec<u8>> {
    // 64 digits are a bare number, 66 and 130 a point, other lengths an SPKI. Shorter texts can be
    // the base64 of a compressed point, which has 44 characters.
    if text.len() < 64 || !text.len().is_multiple_of(2) || !text.bytes().all(|byte| byte.is_ascii_hexdigit())
    {
        return None;
    }
    (0..text.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok())
        .collect()
}

fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let text: String = text.split_ascii_whitespace().collect();
    let text = text.trim_end_matches('=').replace('-', "+").replace('_', "/");
    base64::engine::general_purpose::STANDARD_NO_PAD.decode(text).ok()
}
