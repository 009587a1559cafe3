//! Parses the encodings of ECDSA signatures that clients send.
//!
//! RFC 7518 section 3.4 specifies 64 bytes r‖s, and JWS encodes them in base64url. Real clients
//! send this form. Some libraries default to DER or to padded base64, which is the most common
//! reason why a first request fails, so these are accepted as well. So are line breaks: `base64` and
//! `openssl base64` wrap lines, and end the last one. A signature has the same value in all
//! encodings: replays are detected by `r`, and another encoding must not circumvent that.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

/// Maximum length of a text without white space. A DER signature of 72 bytes has 96 characters.
const MAX_TEXT: usize = 128;

/// An ECDSA P-256 signature, not verified: r‖s, 32 bytes each, big-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature([u8; 64]);

/// Reason why a text is not a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodingError {
    /// The text is not canonical base64url or base64.
    #[error("must be base64url or base64, not hex")]
    Base64,
    /// The text is too long, or the decoded bytes are neither 64 bytes nor DER.
    #[error("must be a P-256 signature, as 64 bytes r‖s or in DER")]
    Length,
    /// The decoded bytes start like DER, but are not the DER encoding of two positive 256-bit
    /// numbers.
    #[error("must be minimally encoded if it is in DER")]
    Der,
}

impl Signature {
    /// Parses a signature as sent by a client.
    pub fn parse(text: &str) -> Result<Self, EncodingError> {
        let text = without_white_space(text);
        if text.len() > MAX_TEXT {
            return Err(EncodingError::Length);
        }
        let bytes = decode(&text).ok_or(EncodingError::Base64)?;
        match <[u8; 64]>::try_from(bytes.as_slice()) {
            Ok(raw) => Ok(Self(raw)),
            Err(_) if bytes.first() == Some(&0x30) => from_der(&bytes).ok_or(EncodingError::Der),
            Err(_) => Err(EncodingError::Length),
        }
    }

    /// The bytes r‖s.
    pub fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }

    /// The number `r`, which identifies the signature. `s` would not: anyone can turn (r, s) into
    /// the equally valid (r, n − s), but another `r` requires the private key.
    pub fn r(&self) -> [u8; 32] {
        let mut r = [0; 32];
        r.copy_from_slice(&self.0[..32]);
        r
    }
}

impl From<[u8; 64]> for Signature {
    fn from(raw: [u8; 64]) -> Self {
        Self(raw)
    }
}

/// The text without line breaks and other white space. Most texts have none.
fn without_white_space(text: &str) -> Cow<'_, str> {
    if text.contains(char::is_whitespace) {
        text.split_whitespace().collect::<String>().into()
    } else {
        text.into()
    }
}

/// Decodes base64url or base64, with or without padding. The engines refuse non-zero trailing bits.
fn decode(text: &str) -> Option<Vec<u8>> {
    let engine = match (text.contains(['-', '_']), text.ends_with('=')) {
        (true, false) => &URL_SAFE_NO_PAD,
        (true, true) => &URL_SAFE,
        (false, false) => &STANDARD_NO_PAD,
        (false, true) => &STANDARD,
    };
    engine.decode(text).ok()
}

/// Parses `SEQUENCE { INTEGER r, INTEGER s }` in DER (RFC 3279 section 2.2.3) without trailing
/// bytes.
fn from_der(der: &[u8]) -> Option<Signature> {
    let [0x30, length, body @ ..] = der else {
        return None;
    };
    // Two 33-byte integers have 70 bytes, so DER requires the short form of the length.
    if usize::from(*length) != body.len() {
        return None;
    }
    let (r, rest) = integer(body)?;
    let (s, rest) = integer(rest)?;
    if !rest.is_empty() {
        return None;
    }
    let mut raw = [0; 64];
    raw[..32].copy_from_slice(&r);
    raw[32..].copy_from_slice(&s);
    Some(Signature(raw))
}

/// Parses a positive INTEGER of at most 256 bits, minimally encoded (X.690 section 8.3.2). Returns
/// it and the rest of the input.
fn integer(input: &[u8]) -> Option<([u8; 32], &[u8])> {
    let [0x02, length, rest @ ..] = input else {
        return None;
    };
    let (content, rest) = rest.split_at_checked(usize::from(*length))?;
    let digits = match content {
        // A leading zero is minimal only if the number would be negative without it.
        [0, digits @ ..] if digits.first().is_some_and(|first| first & 0x80 != 0) => digits,
        [first, ..] if *first != 0 && first & 0x80 == 0 => content,
        _ => return None,
    };
    let mut value = [0; 32];
    value[32_usize.checked_sub(digits.len())?..].copy_from_slice(digits);
    Some((value, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::hex;

    const R_HIGH: [u8; 32] = [0xf1; 32];
    const S_LOW: [u8; 32] = [0x11; 32];

    fn raw() -> [u8; 64] {
        let mut raw = [0; 64];
        raw[..32].copy_from_slice(&R_HIGH);
        raw[32..].copy_from_slice(&S_LOW);
        raw
    }

    fn der() -> Vec<u8> {
        let mut der = vec![0x30, 69, 0x02, 33, 0];
        der.extend(R_HIGH);
        der.extend([0x02, 32]);
        der.extend(S_LOW);
        der
    }

    #[test]
    fn d11_raw_and_der_in_both_alphabets_padded_or_not_are_the_same_signature() {
        for bytes in [raw().to_vec(), der()] {
            for engine in [&URL_SAFE_NO_PAD, &URL_SAFE, &STANDARD_NO_PAD, &STANDARD] {
                let signature = Signature::parse(&engine.encode(&bytes)).unwrap();
                assert_eq!(signature.as_bytes(), &raw());
                assert_eq!(signature.r(), R_HIGH);
            }
        }
    }

    #[test]
    fn d11_r55_line_breaks_are_skipped() {
        for bytes in [raw().to_vec(), der()] {
            let good = STANDARD.encode(&bytes);
            let (first, second) = good.split_at(76);
            for wrapped in [
                format!("{first}\n{second}\n"),
                format!("{first}\r\n{second}\r\n"),
                format!("  {good}\t"),
            ] {
                assert_eq!(Signature::parse(&wrapped).unwrap().as_bytes(), &raw());
            }
        }
        assert_eq!(Signature::parse(" \n"), Err(EncodingError::Length));
        assert_eq!(
            Signature::parse(&"A ".repeat(MAX_TEXT + 1)),
            Err(EncodingError::Length)
        );
    }

    #[test]
    fn d11_hex_and_other_lengths_are_refused() {
        assert_eq!(Signature::parse(&hex(&raw())), Err(EncodingError::Length));
        for length in [0, 63, 65] {
            let text = URL_SAFE_NO_PAD.encode(vec![0x11; length]);
            assert_eq!(Signature::parse(&text), Err(EncodingError::Length), "{length}");
        }
        assert_eq!(Signature::parse(&"A".repeat(1 << 20)), Err(EncodingError::Length));
        assert_eq!(
            Signature::parse(&"A".repeat(MAX_TEXT)),
            Err(EncodingError::Length)
        );
    }

    #[test]
    fn d11_a_text_of_the_maximum_length_is_decoded() {
        // 96 bytes are too long for a signature, but short enough to be decoded.
        let longest = STANDARD_NO_PAD.encode([0x30; 96]);
        assert_eq!(longest.len(), MAX_TEXT);
        assert_eq!(Signature::parse(&longest), Err(EncodingError::Der));
        assert_eq!(
            Signature::parse(&format!("{longest}A")),
            Err(EncodingError::Length)
        );
    }

    #[test]
    fn d12_non_zero_trailing_bits_are_refused() {
        let mut text = URL_SAFE_NO_PAD.encode([0; 64]);
        assert!(Signature::parse(&text).is_ok());
        text.replace_range(85..86, "B");
        assert_eq!(Signature::parse(&text), Err(EncodingError::Base64));
    }

    #[test]
    fn d11_der_that_is_not_minimal_is_refused() {
        let refused = |der: &[u8]| {
            assert_eq!(
                Signature::parse(&STANDARD.encode(der)),
                Err(EncodingError::Der),
                "{der:02x?}"
            );
        };
        let der = der();
        let altered = |index: usize, byte: u8| {
            let mut der = der.clone();
            der[index] = byte;
            der
        };
        refused(&altered(1, 68)); // the sequence is longer than its length
        refused(&altered(1, 70)); // the sequence is shorter than its length
        refused(&altered(2, 0x03)); // r is not an INTEGER
        refused(&altered(3, 200)); // r extends beyond the end
        refused(&altered(4, 1)); // r has 257 bits
        refused(&altered(5, 0x71)); // r has an unnecessary leading zero
        refused(&altered(39, 0x91)); // s is negative
        refused(&altered(39, 0)); // s has an unnecessary leading zero
        refused(&[0x30, 6, 0x02, 1, 0, 0x02, 1, 1]); // zero
        refused(&[0x30, 4, 0x02, 0, 0x02, 0]); // empty
        let mut trailing = altered(1, 70);
        trailing.push(0);
        refused(&trailing);
        assert_eq!(
            &Signature::parse(&STANDARD.encode([0x30, 6, 0x02, 1, 1, 0x02, 1, 0x7f]))
                .unwrap()
                .as_bytes()[31..32],
            &[1]
        );
    }
}
