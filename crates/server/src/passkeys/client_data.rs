//! Client data, which the browser writes and whose hash the authenticator signs: WebAuthn section
//! 5.8.1.

use std::collections::HashSet;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::refused::{Refused, because};

/// The member `type`: which ceremony the browser ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Create,
    Get,
}

impl Type {
    fn as_str(self) -> &'static str {
        match self {
            Self::Create => "webauthn.create",
            Self::Get => "webauthn.get",
        }
    }
}

/// A challenge of this service.
pub(super) type Challenge = [u8; 32];

/// Strips the byte order mark, as UTF-8 decoding does (section 7.1 step 5). The signature covers
/// the mark, so it is verified over the bytes as they came.
fn text(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// Reads the client data, verifies all of it except the challenge, and returns the challenge. Does
/// steps 5 to 7 and 9 to 11 of section 7.1, and steps 8 to 10 and 12 to 14 of section 7.2.
pub(super) fn read(bytes: &[u8], type_: Type, origin: &str) -> Result<Challenge, Refused> {
    let data: ClientData =
        serde_json::from_slice(text(bytes)).map_err(|_| because("malformed client data"))?;
    if data.kind != type_.as_str() {
        return Err(because("client data of another type"));
    }
    // Compared as text: a URL parser would accept a user name or a path.
    if data.origin != origin {
        return Err(because("another origin"));
    }
    // No page of this service is ever in a frame.
    if data.cross_origin || data.has_top_origin {
        return Err(because("in a frame of another site"));
    }
    URL_SAFE_NO_PAD
        .decode(&data.challenge)
        .ok()
        .and_then(|challenge| challenge.try_into().ok())
        .ok_or(because("a challenge of another form"))
}

#[derive(Default)]
struct ClientData {
    kind: String,
    challenge: String,
    origin: String,
    cross_origin: bool,
    has_top_origin: bool,
}

/// Written by hand, since it refuses a repeated member, known or not: two readers could take two
/// different values. It ignores unknown members.
impl<'de> Deserialize<'de> for ClientData {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = ClientData;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("client data")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<ClientData, A::Error> {
        let (mut data, mut seen) = (ClientData::default(), HashSet::new());
        while let Some(name) = map.next_key::<String>()? {
            match name.as_str() {
                "type" => data.kind = map.next_value()?,
                "challenge" => data.challenge = map.next_value()?,
                "origin" => data.origin = map.next_value()?,
                "crossOrigin" => data.cross_origin = map.next_value()?,
                "topOrigin" => {
                    data.has_top_origin = true;
                    map.next_value::<IgnoredAny>()?;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            if !seen.insert(name) {
                return Err(A::Error::custom("a member comes twice"));
            }
        }
        Ok(data)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: &str = "https://auth.example.com";

    fn challenge() -> String {
        URL_SAFE_NO_PAD.encode([7; 32])
    }

    fn read_get(text: &str) -> Result<Challenge, Refused> {
        read(text.as_bytes(), Type::Get, ORIGIN)
    }

    fn with(members: &str) -> String {
        let challenge = challenge();
        format!(r#"{{"type":"webauthn.get","challenge":"{challenge}","origin":"{ORIGIN}"{members}}}"#)
    }

    #[test]
    fn g18_g19_unknown_members_are_ignored_and_duplicates_refused() {
        for more in [
            "",
            r#","crossOrigin":false"#,
            r#","tokenBinding":{"status":"supported"},"androidPackageName":"a""#,
            r#","new":[{"a":1,"a":2}]"#,
        ] {
            assert_eq!(read_get(&with(more)), Ok([7; 32]), "{more}");
            assert_eq!(read_get(&format!("\u{feff}{}", with(more))), Ok([7; 32]));
        }
        for more in [
            r#","type":"webauthn.get""#,
            r#","origin":"https://auth.example.com""#,
            r#","new":1,"new":1"#,
            r#","new":1,"ne\u0077":1"#,
            r#","crossOrigin":false,"crossOrigin":false"#,
        ] {
            assert_eq!(
                read_get(&with(more)),
                Err(because("malformed client data")),
                "{more}"
            );
        }
    }

    #[test]
    fn g04_the_origin_must_match_to_the_letter() {
        for origin in [
            "http://auth.example.com",
            "https://auth.example.com:8443",
            "https://auth.example.com:443",
            "https://auth.example.com/",
            "https://user@auth.example.com",
            "https://AUTH.example.com",
            "https://evil.auth.example.com",
            "https://evil-auth.example.com",
            "https://auth.example.com.evil.org",
            "null",
            "",
            "android:apk-key-hash:fDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE",
        ] {
            let text = with("").replace(ORIGIN, origin);
            assert_eq!(read_get(&text), Err(because("another origin")), "{origin}");
        }
    }

    #[test]
    fn g02_g03_g05_type_challenge_and_framing_are_checked() {
        for (text, reason) in [
            (with("").replace(".get", ".create"), "client data of another type"),
            (
                with("").replace("webauthn.get", "payment.get"),
                "client data of another type",
            ),
            (with(r#","crossOrigin":true"#), "in a frame of another site"),
            (
                with(r#","topOrigin":"https://auth.example.com""#),
                "in a frame of another site",
            ),
            (with(r#","topOrigin":null"#), "in a frame of another site"),
            (with(r#","crossOrigin":"true""#), "malformed client data"),
            (with("").replace(&challenge(), ""), "a challenge of another form"),
            (
                with("").replace(&challenge(), &format!("{}=", challenge())),
                "a challenge of another form",
            ),
            (
                with("").replace(&challenge(), &URL_SAFE_NO_PAD.encode([7; 16])),
                "a challenge of another form",
            ),
            (format!("[{}]", with("")), "malformed client data"),
            (format!("{}x", with("")), "malformed client data"),
            (format!("\u{feff}\u{feff}{}", with("")), "malformed client data"),
        ] {
            assert_eq!(read_get(&text), Err(because(reason)), "{text}");
        }
    }
}
