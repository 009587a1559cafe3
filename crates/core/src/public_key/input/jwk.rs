//! Public keys as JWK (RFC 7517).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

use super::encoding::unescaped;
use super::{NOT_P256, private};
use crate::{PublicKey, Refusal};

/// Parses a text as a JWK; `None` if it is not a JSON object.
pub(super) fn from_json(text: &str) -> Option<Result<Map<String, Value>, Refusal>> {
    // Without the escapes only if that is necessary: a JWK can have escapes of its own.
    let plain = unescaped(text);
    if !plain.starts_with('{') {
        return None;
    }
    let parsed = serde_json::from_str(text.trim_matches(|c: char| c.is_whitespace() || c == '\u{feff}'));
    let parsed = parsed.or_else(|_| serde_json::from_str(&plain));
    Some(parsed.map_err(|_| Refusal::InvalidPublicKey("must be valid JSON if it is a JWK")))
}

pub(super) fn parse(jwk: &Map<String, Value>) -> Result<PublicKey, Refusal> {
    if let Some(form) = private::form_of_members(jwk) {
        return Err(Refusal::PrivateKeySubmitted(form));
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
