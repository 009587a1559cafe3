//! Reads a JSON body. Checks its type, size, time of arrival and fields.

use axum::extract::{FromRef, FromRequest, Request};
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use serde::de::DeserializeOwned;
use tm_auth_listener::read_body;
use tm_auth_proto::ErrorCode;

use crate::error::ApiError;
use crate::http::body::BodyLimits;

/// A request body, parsed.
pub(crate) struct Json<T>(pub(crate) T);

impl<S, T> FromRequest<S> for Json<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
    BodyLimits: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let limits = BodyLimits::from_ref(state);
        read(request, limits).await.map(Self)
    }
}

/// The response of an authenticator, which can be long: it may have an RSA key or a chain of
/// certificates.
pub(crate) struct LargeJson<T>(pub(crate) T);

/// Maximum number of bytes of an authenticator's response, whatever `limits.body_bytes` is.
const LARGE: usize = 64 * 1024;

impl<S, T> FromRequest<S> for LargeJson<T>
where
    S: Send + Sync,
    T: DeserializeOwned,
    BodyLimits: FromRef<S>,
{
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let limits = BodyLimits::from_ref(state);
        let limits = BodyLimits {
            bytes: LARGE,
            ..limits
        };
        read(request, limits).await.map(Self)
    }
}

async fn read<T: DeserializeOwned>(request: Request, limits: BodyLimits) -> Result<T, ApiError> {
    if !is_plain_json(request.headers()) {
        return Err(ApiError::new(ErrorCode::UnsupportedMediaType));
    }
    let body = read_body(request.into_body(), limits.bytes, limits.deadline).await?;
    parse(&body)
}

/// Whether the headers announce `application/json` in UTF-8, not compressed.
fn is_plain_json(headers: &HeaderMap) -> bool {
    // With two types, one would have to be guessed.
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(content_type), None) = (types.next(), types.next()) else {
        return false;
    };
    let Ok(content_type) = content_type.to_str() else {
        return false;
    };
    let mut parts = content_type.split(';').map(str::trim);
    let is_json = parts
        .next()
        .is_some_and(|media| media.eq_ignore_ascii_case("application/json"));
    let in_utf8 = parts.all(|parameter| match parameter.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    });
    // RFC 9110 section 8.4. Every coding is refused, even `identity`, so that the service never
    // unpacks a decompression bomb.
    is_json && in_utf8 && !headers.contains_key(CONTENT_ENCODING)
}

/// A document that is an object; see [`tm_auth_proto::json::object`].
struct OneObject<T>(T);

impl<'de, T: serde::Deserialize<'de>> serde::Deserialize<'de> for OneObject<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        tm_auth_proto::json::object(deserializer).map(Self)
    }
}

/// Parses a body. An error names the field that is wrong. The structs refuse duplicate fields.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let mut json = serde_json::Deserializer::from_slice(body);
    let OneObject(value) = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let path = error.path().to_string();
        let field = if path == "." { "body".to_owned() } else { path };
        // The message never has a value, since that could be a secret in the wrong field.
        let inner = error.into_inner();
        let problem = match inner.classify() {
            serde_json::error::Category::Data => describe(&inner),
            _ => format!(
                "not valid JSON at line {} column {}",
                inner.line(),
                inner.column()
            ),
        };
        ApiError::invalid(field, problem)
    })?;
    json.end()
        .map_err(|_| ApiError::invalid("body", "something follows the JSON document"))?;
    Ok(value)
}

/// Describes the problem. Names fields, but quotes no value of the input, unlike serde's own text.
fn describe(error: &serde_json::Error) -> String {
    let text = error.to_string();
    for kind in ["missing field", "duplicate field", "unknown field"] {
        if text.starts_with(kind) {
            let name: String = text.chars().take_while(|c| *c != ',').take(80).collect();
            return name
                .split(" at line ")
                .next()
                .unwrap_or(kind)
                .escape_debug()
                .to_string();
        }
    }
    let expected = text
        .rsplit_once("expected ")
        .map(|(_, rest)| rest.split(" at line ").next().unwrap_or(rest));
    expected.map_or_else(
        || "has the wrong form".to_owned(),
        |expected| format!("expected {expected}"),
    )
}

#[cfg(test)]
mod tests {
    use tm_auth_proto::ApiKeyTokenRequest;

    use super::*;

    fn problem(body: &str) -> (String, String) {
        let error = parse::<ApiKeyTokenRequest>(body.as_bytes()).expect_err("it does not parse");
        let body = error.into_body(String::new());
        let violation = &body.field_violations[0];
        (violation.field.clone(), violation.message.clone())
    }

    #[test]
    fn d04_d05_a_field_is_named_with_its_problem_and_without_its_value() {
        assert_eq!(
            problem(r#"{"key_id":"a"}"#),
            ("body".into(), "missing field `timestamp`".into())
        );
        assert_eq!(
            problem(r#"{"key_id":"a","key_id":"b"}"#).1,
            "duplicate field `key_id`"
        );
        assert_eq!(
            problem(r#"{"key_id":"a","timestamp":"17"}"#),
            ("timestamp".into(), "expected i64".into())
        );
        assert_eq!(
            problem(r#"{"timestamp":01}"#).1,
            "not valid JSON at line 1 column 15"
        );
        assert!(!problem(r#"{"signature":{"SECRET":1}}"#).1.contains("SECRET"));
        assert_eq!(
            problem(r#"{"key_id":"a","timestamp":1,"signature":"s"} x"#).1,
            "something follows the JSON document"
        );
    }

    #[test]
    fn d04_an_array_of_the_members_is_no_request() {
        assert_eq!(
            problem(r#"["a", 1, "s"]"#),
            ("body".into(), "expected a JSON object".into())
        );
    }

    #[test]
    fn d18_only_plain_utf8_json_is_read() {
        let plain = |pairs: &[(http::HeaderName, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(name, value.parse().unwrap());
            }
            is_plain_json(&headers)
        };
        assert!(plain(&[(CONTENT_TYPE, "application/json")]));
        assert!(plain(&[(CONTENT_TYPE, "Application/JSON; charset=\"UTF-8\"")]));
        assert!(!plain(&[(CONTENT_TYPE, "application/json; charset=utf-16")]));
        assert!(!plain(&[(CONTENT_TYPE, "application/json; charset = utf-16")]));
        assert!(!plain(&[(CONTENT_TYPE, "text/plain")]));
        assert!(!plain(&[
            (CONTENT_TYPE, "application/json"),
            (CONTENT_TYPE, "text/plain")
        ]));
        assert!(!plain(&[
            (CONTENT_TYPE, "application/json"),
            (CONTENT_ENCODING, "gzip")
        ]));
        assert!(!plain(&[]));
    }
}
