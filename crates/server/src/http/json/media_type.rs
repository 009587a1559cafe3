//! Which media types a JSON body may have.

use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue};
use tm_auth_proto::ErrorCode;

use crate::error::ApiError;

/// Accepts `application/json` in UTF-8, not compressed. The error names what came instead.
pub(super) fn check(headers: &HeaderMap) -> Result<(), ApiError> {
    problem(headers).map_or(Ok(()), |problem| {
        Err(ApiError::with_message(ErrorCode::UnsupportedMediaType, problem))
    })
}

fn problem(headers: &HeaderMap) -> Option<String> {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let Some(content_type) = types.next() else {
        return Some("no content-type came; send content-type: application/json".to_owned());
    };
    // With two types, one would have to be guessed.
    if types.next().is_some() {
        return Some("several content-types came; send one: application/json".to_owned());
    }
    let shown = shown(content_type);
    let text = content_type.to_str().unwrap_or_default();
    let mut parts = text.split(';').map(str::trim);
    if !parts
        .next()
        .is_some_and(|media| media.eq_ignore_ascii_case("application/json"))
    {
        return Some(format!("content-type {shown} came; send application/json"));
    }
    if !parts.all(is_utf8) {
        return Some(format!(
            "content-type {shown} came; send the body in UTF-8, and no charset"
        ));
    }
    // RFC 9110 section 8.4. Every coding is refused, even `identity`, so that the service never
    // unpacks a decompression bomb.
    let coding = headers.get(CONTENT_ENCODING)?;
    Some(format!(
        "content-encoding {} came; send the body uncompressed, without this header",
        self::shown(coding)
    ))
}

/// Whether a parameter of the type leaves the charset at UTF-8. `utf8` is a common way to write it.
fn is_utf8(parameter: &str) -> bool {
    match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            let charset = value.trim().trim_matches('"');
            ["utf-8", "utf8"]
                .iter()
                .any(|name| charset.eq_ignore_ascii_case(name))
        }
        _ => true,
    }
}

/// The value of a header for a message: bounded and escaped.
fn shown(value: &HeaderValue) -> String {
    let text = String::from_utf8_lossy(value.as_bytes());
    let start: String = text.chars().take(60).collect();
    format!("`{}`", start.escape_debug())
}
