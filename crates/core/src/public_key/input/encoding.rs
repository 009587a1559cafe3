//! Text encodings of bytes, as tools print them and programs paste them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// The fewest and the most hex digits of a number of 32 bytes, which may lack its leading zeros.
const NUMBER: std::ops::RangeInclusive<usize> = 61..=64;

/// The text without quotes and invisible characters around it, and with the escapes of JSON strings,
/// environment files and shells undone.
pub(super) fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '\\' {
            plain.push(c);
            continue;
        }
        // Twice escaped, the line break is `\\n`.
        while rest.next_if_eq(&'\\').is_some() {}
        if rest.next_if(|next| matches!(next, 'n' | 'r' | 't')).is_some() {
            plain.push('\n');
        }
    }
    plain.trim_matches(is_around).to_owned()
}

/// Whether a character at the beginning or the end of a text does not belong to the key.
fn is_around(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '"' | '\'' | '`' | ',' | ';' | '\u{2018}'..='\u{201f}' | '\u{ab}' | '\u{bb}'
        )
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// Decodes hex: digits only, or bytes such as `04:5c`, `04 5c` or `0x04, 0x5c`.
pub(super) fn decode_hex(text: &str) -> Option<Vec<u8>> {
    let text = text.to_ascii_lowercase().replace("0x", "");
    let separator = |c: char| c.is_whitespace() || matches!(c, ':' | ',' | '{' | '}' | '[' | ']' | ';');
    let mut digits: String = text.chars().filter(|c| !separator(*c)).collect();
    // Shorter texts can be the base64 of a compressed point, which has 44 characters. 66 and 130
    // digits are a point, other lengths an SPKI.
    if digits.len() < *NUMBER.start() || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    if NUMBER.contains(&digits.len()) {
        digits = format!("{digits:0>64}");
    }
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok())
        .collect()
}

/// Decodes base64 or base64url, with or without padding, on any number of lines.
pub(super) fn decode_base64(text: &str) -> Option<Vec<u8>> {
    let text: String = text.split_ascii_whitespace().collect();
    let text = text.trim_end_matches('=').replace('-', "+").replace('_', "/");
    STANDARD_NO_PAD.decode(text).ok()
}

/// Decodes a list of bytes in decimal, such as `[48, 119, 2]`.
pub(super) fn decode_list(text: &str) -> Option<Vec<u8>> {
    let separator = |c: char| c.is_whitespace() || matches!(c, ',' | '[' | ']' | '{' | '}' | '(' | ')');
    if !text.contains(',') {
        return None;
    }
    let numbers = text.split(separator).filter(|part| !part.is_empty());
    numbers.map(|number| number.parse().ok()).collect()
}

/// The text in these bytes, if they are printable text and no key: a PEM in base64, for example.
pub(super) fn text_in(bytes: &[u8]) -> Option<&str> {
    let text = tm_auth_proto::text::from_bytes(bytes).ok()?;
    let printable = |c: char| !c.is_control() || c.is_whitespace();
    // A key of 32 random bytes is practically never printable text.
    (text.len() > 32 && text.chars().all(printable)).then_some(text)
}
