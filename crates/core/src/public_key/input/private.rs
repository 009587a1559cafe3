//! Recognises private keys in the forms that users paste by mistake. The API key page looks for the
//! same forms before it sends anything (`server/static/private-key.js`); both are tested with
//! `pasted.json`.

use serde_json::{Map, Value};

use super::encoding::{decode_base64, decode_hex, decode_list, text_in, unescaped};

const PEM: &str = "PEM";
const DER: &str = "DER";
const JWK: &str = "JWK";
const KEY_FILE: &str = "key file";
const OPENSSL_TEXT: &str = "the text that OpenSSL prints";
const NAMED_VALUE: &str = "a named value, as in YAML";
const NUMBER: &str = "a number of 32 bytes";
const BASE64_TEXT: &str = "base64 of a text";

/// The form of a private key that is in the text, or `None`.
pub(super) fn form(text: &str) -> Option<&'static str> {
    let plain = unescaped(text);
    // In an object, the names of members tell: a `kid` may have any words.
    if let Ok(members) = serde_json::from_str::<Map<String, Value>>(&plain) {
        return form_of_members(&members);
    }
    if let Some(form) = form_of_words(&plain) {
        return Some(form);
    }
    // Another PEM: dashes are letters of base64url as well.
    if plain.contains("-----") {
        return None;
    }
    if is_decimal_number(&plain) {
        return Some(NUMBER);
    }
    let decoded = decode_base64(&plain);
    if let Some(inner) = decoded.as_deref().and_then(text_in)
        && form_of_words(&unescaped(inner)).is_some()
    {
        return Some(BASE64_TEXT);
    }
    [decode_list(&plain), decode_hex(&plain), decoded]
        .into_iter()
        .flatten()
        .next()
        .and_then(|bytes| form_of_bytes(&bytes))
}

/// The form, by the words that stand beside a private key.
fn form_of_words(text: &str) -> Option<&'static str> {
    let lower = text.to_ascii_lowercase();
    let words: String = lower
        .chars()
        .filter(|c| !c.is_whitespace() && !matches!(c, '-' | '_'))
        .collect();
    if ["privatekey", "privatelines", "secretkey"]
        .iter()
        .any(|name| words.contains(name))
    {
        return Some(if lower.contains("-----") {
            PEM
        } else if lower.contains("\"private_key\"") {
            KEY_FILE
        } else if lower.contains("private-key:") {
            OPENSSL_TEXT
        } else {
            NAMED_VALUE
        });
    }
    if lower.contains("\"d\"") && has_value(&lower, "d") {
        return Some(JWK);
    }
    if has_value(&lower, "priv") {
        return Some(OPENSSL_TEXT);
    }
    ["d", "private", "privkey", "secret"]
        .iter()
        .any(|name| has_value(&lower, name))
        .then_some(NAMED_VALUE)
}

/// Whether `name` is followed by a colon or an equals sign and by a value: `"d":`, `d: 5cA0…`,
/// `d = 0x5c…`.
fn has_value(text: &str, name: &str) -> bool {
    text.match_indices(name).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        if before.is_some_and(|c| !c.is_whitespace() && !matches!(c, '{' | ',' | '"' | '\'' | '-')) {
            return false;
        }
        let rest = &text[at + name.len()..];
        let quoted = rest.starts_with(['"', '\'']);
        let Some(value) = rest
            .trim_start_matches(['"', '\''])
            .trim_start()
            .strip_prefix([':', '='])
        else {
            return false;
        };
        let value =
            value.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '|' | '>'));
        let letters = value
            .bytes()
            .take_while(|byte| byte.is_ascii_alphanumeric() || b"+/_:-".contains(byte));
        // The padding of base64 looks like `d=`, but no value follows it.
        quoted || letters.take(8).count() == 8 && !value.starts_with("-----")
    })
}

/// The form of a private key in a JSON object, at any depth.
pub(super) fn form_of_members(members: &Map<String, Value>) -> Option<&'static str> {
    if members.contains_key("private_key") {
        return Some(KEY_FILE);
    }
    // Private members of EC, RSA and symmetric keys (RFC 7518 sections 6.2.2, 6.3.2 and 6.4.1).
    if ["d", "p", "q", "k"]
        .iter()
        .any(|name| members.contains_key(*name))
    {
        return Some(JWK);
    }
    members.values().find_map(form_of_value)
}

fn form_of_value(value: &Value) -> Option<&'static str> {
    match value {
        Value::Object(members) => form_of_members(members),
        Value::Array(values) => values.iter().find_map(form_of_value),
        // Not as bytes: the coordinates of a public key are numbers of 32 bytes, too.
        Value::String(text) if text.contains("-----") => form_of_words(text),
        _ => None,
    }
}

/// The form of a private key in these bytes.
pub(super) fn form_of_bytes(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x30, ..] if is_private_der(bytes) => Some(DER),
        _ if bytes.starts_with(b"openssh-key-v1") => Some(DER),
        // Some tools print private keys as a bare number, with a zero before it if it would be
        // negative otherwise.
        _ if matches!(bytes.len(), 31 | 32) || bytes.len() == 33 && bytes[0] == 0 => Some(NUMBER),
        _ => None,
    }
}

/// Whether this is a private key of PKCS #8, SEC1 or PKCS #12, encrypted or not. Its SEQUENCE starts
/// with a version number, that of an SPKI with another SEQUENCE.
fn is_private_der(der: &[u8]) -> bool {
    let content = match der {
        // 0x80 is the indefinite length of BER. It is invalid in DER, but this is a private key
        // anyway.
        [0x30, length, content @ ..] if *length <= 0x80 => content,
        [0x30, 0x81, _, content @ ..] | [0x30, 0x82, _, _, content @ ..] => content,
        _ => return false,
    };
    matches!(content, [0x02, 0x01, 0x00 | 0x01 | 0x03, ..]) || is_encrypted(content)
}

/// Whether this is the content of an `EncryptedPrivateKeyInfo`: a SEQUENCE with an identifier of
/// PKCS #5 (RFC 8018).
fn is_encrypted(content: &[u8]) -> bool {
    const PKCS5: [u8; 8] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05];
    matches!(content, [0x30, _, 0x06, 0x09, rest @ ..] if rest.starts_with(&PKCS5))
}

/// Whether the text is a number in decimal that needs about 256 bits.
fn is_decimal_number(text: &str) -> bool {
    (67..=78).contains(&text.len())
        && !text.starts_with('0')
        && text.bytes().all(|byte| byte.is_ascii_digit())
}
