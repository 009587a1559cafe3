//! Parses and builds the JWS Compact Serialization (RFC 7515 section 7.1).
//!
//! This module verifies nothing: the result of [`CompactJws::parse`] is untrusted.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::json::Object;

/// Longest token that [`CompactJws::parse`] accepts, in bytes. This service's access tokens stay
/// under 1.5 KB.
pub const MAX_LEN: usize = 8 * 1024;

/// The three parts of a token, not verified.
#[derive(Debug, Clone)]
pub struct CompactJws<'a> {
    /// JWS Signing Input: `header.payload` as sent.
    pub signing_input: &'a [u8],
    /// Decoded header.
    pub header: Header,
    /// Decoded payload.
    pub payload: Vec<u8>,
    /// Decoded signature.
    pub signature: Vec<u8>,
}

/// The members of a JOSE header that this service reads. `jwk`, `jku`, `x5u` and `x5c` are not
/// among them: a token must not choose its own key (RFC 8725 section 3.10).
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Header {
    /// Signature or MAC algorithm.
    pub alg: String,
    /// Media type of the token, for example `at+jwt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typ: Option<String>,
    /// Id of the key that signed the token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    /// Critical extensions; always absent in a parsed header, since none is supported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crit: Option<serde_json::Value>,
    /// Unencoded payload (RFC 7797); always absent in a parsed header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub b64: Option<serde_json::Value>,
    /// Compression (RFC 7516 section 4.1.3); always absent in a parsed header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub zip: Option<serde_json::Value>,
}

/// Reason why [`CompactJws::parse`] refuses a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Malformed {
    /// The text is longer than [`MAX_LEN`], or than the `max_len` of [`CompactJws::parse_up_to`].
    #[error("the token is too long")]
    TooLong,
    /// The text does not have exactly three parts separated by dots.
    #[error("a token must have three parts separated by dots")]
    Parts,
    /// A part is not canonical base64url without padding.
    #[error("a part of the token is not unpadded base64url")]
    Base64,
    /// The header is not a JSON object with `alg`, or it has a duplicate member name.
    #[error("the token's header is not a JSON object with `alg` and unique member names")]
    Header,
    /// The header has one of the unsupported members `crit`, `b64` and `zip`.
    #[error("the token's header requires an extension that is not supported")]
    Extension,
}

impl<'a> CompactJws<'a> {
    /// Parses a token of at most [`MAX_LEN`] bytes.
    ///
    /// Follows RFC 7515 section 5.2, steps 1 to 7: base64url with "no line breaks, whitespace, or
    /// other additional characters", unique member names, and `crit` refused because no extension
    /// is supported.
    pub fn parse(token: &'a str) -> Result<Self, Malformed> {
        Self::parse_up_to(token, MAX_LEN)
    }

    /// Parses a document of at most `max_len` bytes, for example the revocation list.
    pub fn parse_up_to(token: &'a str, max_len: usize) -> Result<Self, Malformed> {
        if token.len() > max_len {
            return Err(Malformed::TooLong);
        }
        let (signing_input, signature) = token.rsplit_once('.').ok_or(Malformed::Parts)?;
        let (header, payload) = signing_input.split_once('.').ok_or(Malformed::Parts)?;
        if payload.contains('.') {
            return Err(Malformed::Parts);
        }
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| Malformed::Base64);
        let header = decode(header)?;
        let members = Object::parse(&header).map_err(|_| Malformed::Header)?;
        // By presence, not by value: `"crit": null` is present, too.
        if ["crit", "b64", "zip"].iter().any(|name| members.contains(name)) {
            return Err(Malformed::Extension);
        }
        let header: Header = serde_json::from_slice(&header).map_err(|_| Malformed::Header)?;
        Ok(Self {
            signing_input: signing_input.as_bytes(),
            header,
            payload: decode(payload)?,
            signature: decode(signature)?,
        })
    }
}

/// Builds the JWS Signing Input: `header.payload`.
pub fn signing_input(alg: &str, typ: &str, kid: &str, payload: &[u8]) -> String {
    let header = serde_json::json!({ "alg": alg, "kid": kid, "typ": typ }).to_string();
    let mut text = String::with_capacity((header.len() + payload.len()) * 4 / 3 + 400);
    URL_SAFE_NO_PAD.encode_string(header, &mut text);
    text.push('.');
    URL_SAFE_NO_PAD.encode_string(payload, &mut text);
    text
}

/// Appends the signature to the signing input.
pub fn finish(mut signing_input: String, signature: &[u8]) -> String {
    signing_input.push('.');
    URL_SAFE_NO_PAD.encode_string(signature, &mut signing_input);
    signing_input
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str, payload: &str) -> String {
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        format!("{}.{}.{}", encode(header), encode(payload), encode("sig"))
    }

    #[test]
    fn a_built_token_parses_back() {
        let text = finish(signing_input("ES256", "at+jwt", "k1", b"{}"), b"sig");
        let parsed = CompactJws::parse(&text).unwrap();
        assert_eq!(parsed.header.alg, "ES256");
        assert_eq!(parsed.header.typ.as_deref(), Some("at+jwt"));
        assert_eq!(parsed.header.kid.as_deref(), Some("k1"));
        assert_eq!(
            (parsed.payload.as_slice(), parsed.signature.as_slice()),
            (b"{}".as_slice(), b"sig".as_slice())
        );
        assert_eq!(parsed.signing_input, text.rsplit_once('.').unwrap().0.as_bytes());
    }

    #[test]
    fn a16_a_duplicate_header_member_is_refused() {
        for duplicate in [
            r#"{"alg":"none","alg":"ES256"}"#,
            r#"{"alg":"ES256","x":1,"x":1}"#,
        ] {
            assert_eq!(
                CompactJws::parse(&token(duplicate, "{}")).unwrap_err(),
                Malformed::Header
            );
        }
    }

    #[test]
    fn a_header_that_is_not_an_object_is_refused() {
        for header in [r#"["ES256","at+jwt"]"#, r#""ES256""#, "null", ""] {
            assert_eq!(
                CompactJws::parse(&token(header, "{}")).unwrap_err(),
                Malformed::Header
            );
        }
    }

    #[test]
    fn a07_header_extensions_are_refused() {
        for header in [
            r#"{"alg":"ES256","crit":["x"]}"#,
            r#"{"alg":"ES256","crit":null}"#,
            r#"{"alg":"ES256","b64":false}"#,
            r#"{"alg":"ES256","zip":"DEF"}"#,
        ] {
            assert_eq!(
                CompactJws::parse(&token(header, "{}")).unwrap_err(),
                Malformed::Extension
            );
        }
    }

    #[test]
    fn a17_only_canonical_unpadded_base64url_is_accepted() {
        let good = token(r#"{"alg":"ES256"}"#, "{}");
        assert!(CompactJws::parse(&good).is_ok());
        for bad in [
            format!("{good}="),
            format!("{good} "),
            format!("\n{good}"),
            good.replace("c2ln", "c2l/"),
            good.replace("c2ln", "c2lnB"),
        ] {
            assert_eq!(CompactJws::parse(&bad).unwrap_err(), Malformed::Base64, "{bad}");
        }
    }

    #[test]
    fn a08_wrong_part_counts_and_long_tokens_are_refused() {
        assert_eq!(MAX_LEN, 8192);
        for bad in ["", "a", "a.b", "a.b.c.d", "a.b.c.d.e"] {
            assert_eq!(CompactJws::parse(bad).unwrap_err(), Malformed::Parts);
        }
        assert_eq!(
            CompactJws::parse(&"a".repeat(MAX_LEN + 1)).unwrap_err(),
            Malformed::TooLong
        );
        assert_eq!(
            CompactJws::parse(&"a".repeat(MAX_LEN)).unwrap_err(),
            Malformed::Parts
        );
        assert_eq!(
            CompactJws::parse_up_to(&"a".repeat(MAX_LEN + 1), MAX_LEN + 1).unwrap_err(),
            Malformed::Parts
        );
    }
}
