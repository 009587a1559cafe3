//! What the browser says and the authenticator signs the hash of: WebAuthn section 5.8.1.

use std::collections::HashSet;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::refused::{Refused, because};

/// Which ceremony the browser ran.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ran {
    Create,
    Get,
}

impl Ran {
    fn as_str(self) -> &'static str {
        match self {
            Self::Create => "webauthn.create",
            Self::Get => "webauthn.get",
        }
    }
}

/// Our challenge, as it came back.
pub(super) type Challenge = [u8; 32];

/// Without the byte order mark that UTF-8 decoding strips (section 7.1 step 5). The signature covers it.
pub(super) fn text(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// Checks everything but the challenge, which is the caller's to find.
pub(super) fn read(bytes: &[u8], ran: Ran, origin: &str) -> Result<Challenge, Refused> {
    let data: ClientData =
        serde_json::from_slice(text(bytes)).map_err(|_| because("malformed client data"))?;
    if data.kind != ran.as_str() {
        return Err(because("another ceremony"));
    }
    // The very text: a URL parser would let a user name or a path pass.
    if data.origin != origin {
        return Err(because("another origin"));
    }
    // Our pages are framed by nobody.
    if data.cross_origin || data.has_top_origin {
        return Err(because("in a frame of another site"));
    }
    URL_SAFE_NO_PAD
        .decode(&data.challenge)
        .ok()
        .and_then(|challenge| challenge.try_into().ok())
        .ok_or(because("no challenge of ours"))
}

#[derive(Default)]
struct ClientData {
    kind: String,
    challenge: String,
    origin: String,
    cross_origin: bool,
    has_top_origin: bool,
}

/// By hand: members that this service does not know are welcome, members that come twice are not, known or not.
/// Two readers could take two different ones of them.
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

    fn judge(text: &str) -> Result<Challenge, Refused> {
        read(text.as_bytes(), Ran::Get, ORIGIN)
    }

    fn with(members: &str) -> String {
        let challenge = challenge();
        format!(r#"{{"type":"webauthn.get","challenge":"{challenge}","origin":"{ORIGIN}"{members}}}"#)
    }

    #[test]
    fn g18_g19_what_is_unknown_is_ignored_and_what_comes_twice_refused() {
        for more in [
            "",
            r#","crossOrigin":false"#,
            r#","tokenBinding":{"status":"supported"},"androidPackageName":"a""#,
            r#","new":[{"a":1,"a":2}]"#,
        ] {
            assert_eq!(judge(&with(more)), Ok([7; 32]), "{more}");
            assert_eq!(judge(&format!("\u{feff}{}", with(more))), Ok([7; 32]));
        }
        for more in [
            r#","type":"webauthn.get""#,
            r#","origin":"https://auth.example.com""#,
            r#","new":1,"new":1"#,
            r#","new":1,"ne\u0077":1"#,
            r#","crossOrigin":false,"crossOrigin":false"#,
        ] {
            assert_eq!(
                judge(&with(more)),
                Err(because("malformed client data")),
                "{more}"
            );
        }
    }

    #[test]
    fn g04_the_origin_is_ours_to_the_letter() {
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
            assert_eq!(judge(&text), Err(because("another origin")), "{origin}");
        }
    }

    #[test]
    fn g02_g03_g05_the_rest_must_be_ours_too() {
        for (text, reason) in [
            (with("").replace(".get", ".create"), "another ceremony"),
            (
                with("").replace("webauthn.get", "payment.get"),
                "another ceremony",
            ),
            (with(r#","crossOrigin":true"#), "in a frame of another site"),
            (
                with(r#","topOrigin":"https://auth.example.com""#),
                "in a frame of another site",
            ),
            (with(r#","topOrigin":null"#), "in a frame of another site"),
            (with(r#","crossOrigin":"true""#), "malformed client data"),
            (with("").replace(&challenge(), ""), "no challenge of ours"),
            (
                with("").replace(&challenge(), &format!("{}=", challenge())),
                "no challenge of ours",
            ),
            (
                with("").replace(&challenge(), &URL_SAFE_NO_PAD.encode([7; 16])),
                "no challenge of ours",
            ),
            (format!("[{}]", with("")), "malformed client data"),
            (format!("{}x", with("")), "malformed client data"),
            (format!("\u{feff}\u{feff}{}", with("")), "malformed client data"),
        ] {
            assert_eq!(judge(&text), Err(because(reason)), "{text}");
        }
    }
}
