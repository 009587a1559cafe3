//! The encodings in which an ECDSA signature arrives, parsed into one.
//!
//! RFC 7518 section 3.4 fixes 64 bytes r‖s in base64url; that is what real clients send. Libraries that
//! default to DER or to padded base64 are the commonest reason why a first request fails, so those are read
//! as well. One signature has exactly one value here, whichever encoding it came in: the replay guard keys on
//! `r`, and an encoding must not be a way around it.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

/// Longest text that is looked at: a DER signature of 72 bytes takes 96 characters.
const MAX_TEXT: usize = 128;

/// An ECDSA P-256 signature: r‖s, 32 bytes each, big-endian. Not verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signature([u8; 64]);

/// Why a text is not a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodingError {
    /// Neither base64url nor base64, or not in canonical form.
    #[error("not base64url or base64 (hex is not accepted)")]
    Base64,
    /// Decoded, but neither 64 bytes nor a DER signature.
    #[error("decodes to neither 64 bytes r‖s nor a DER ECDSA signature")]
    Length,
    /// Looks like DER, but not the one minimal encoding of two positive 256-bit numbers.
    #[error("a DER signature must be minimally encoded")]
    Der,
}

impl Signature {
    /// Reads a signature as sent.
    pub fn parse(text: &str) -> Result<Self, EncodingError> {
        if text.len() > MAX_TEXT {
            return Err(EncodingError::Length);
        }
        let bytes = decode(text).ok_or(EncodingError::Base64)?;
        match <[u8; 64]>::try_from(bytes.as_slice()) {
            Ok(raw) => Ok(Self(raw)),
            Err(_) if bytes.first() == Some(&0x30) => from_der(&bytes).ok_or(EncodingError::Der),
            Err(_) => Err(EncodingError::Length),
        }
    }

    /// r‖s.
    pub fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }

    /// The number that identifies the challenge. Not `s`: anyone can turn (r, s) into the equally valid
    /// (r, n − s), but nobody can make another r without the private key.
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

/// Base64url or base64, padded or not; each engine refuses non-zero trailing bits.
fn decode(text: &str) -> Option<Vec<u8>> {
    let engine = match (text.contains(['-', '_']), text.ends_with('=')) {
        (true, false) => &URL_SAFE_NO_PAD,
        (true, true) => &URL_SAFE,
        (false, false) => &STANDARD_NO_PAD,
        (false, true) => &STANDARD,
    };
    engine.decode(text).ok()
}

/// `SEQUENCE { INTEGER r, INTEGER s }` in DER (RFC 3279 section 2.2.3), the whole input.
fn from_der(der: &[u8]) -> Option<Signature> {
    let [0x30, length, body @ ..] = der else {
        return None;
    };
    // Two 33-byte integers take 70 bytes, so the long form of a length is never minimal here.
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

/// One positive INTEGER of at most 256 bits, minimally encoded (X.690 section 8.3.2).
fn integer(input: &[u8]) -> Option<([u8; 32], &[u8])> {
    let [0x02, length, rest @ ..] = input else {
        return None;
    };
    let (content, rest) = rest.split_at_checked(usize::from(*length))?;
    let digits = match content {
        // A leading zero belongs there only where the number would read as negative without it.
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
    fn d11_raw_and_der_in_either_alphabet_padded_or_not_are_one_signature() {
        for bytes in [raw().to_vec(), der()] {
            for engine in [&URL_SAFE_NO_PAD, &URL_SAFE, &STANDARD_NO_PAD, &STANDARD] {
                let signature = Signature::parse(&engine.encode(&bytes)).unwrap();
                assert_eq!(signature.as_bytes(), &raw());
                assert_eq!(signature.r(), R_HIGH);
            }
        }
    }

    #[test]
    fn d11_hex_whitespace_and_other_lengths_are_refused() {
        let good = URL_SAFE_NO_PAD.encode(raw());
        assert_eq!(Signature::parse(&hex(&raw())), Err(EncodingError::Length));
        assert_eq!(
            Signature::parse(&format!("{} {}", &good[..40], &good[40..])),
            Err(EncodingError::Base64)
        );
        assert_eq!(Signature::parse(&format!("{good}\n")), Err(EncodingError::Base64));
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
    fn d11_the_longest_text_that_is_read_is_read() {
        // 96 bytes: too long for any signature, but short enough to be decoded and told so.
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
        refused(&altered(1, 68)); // the sequence is longer than it says
        refused(&altered(1, 70)); // or shorter
        refused(&altered(2, 0x03)); // r is no INTEGER
        refused(&altered(3, 200)); // r runs over the end
        refused(&altered(4, 1)); // r has 257 bits
        refused(&altered(5, 0x71)); // r has a zero it does not need
        refused(&altered(39, 0x91)); // s is negative
        refused(&altered(39, 0)); // s has a zero it does not need
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
