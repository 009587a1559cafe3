//! Reads a JSON body. Checks its type, size, time of arrival and fields.

mod media_type;
mod problem;

use axum::extract::{FromRef, FromRequest, Request};
use serde::de::DeserializeOwned;
use tm_auth_listener::read_body;
use tm_auth_proto::text;

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
    media_type::check(request.headers())?;
    let body = read_body(request.into_body(), limits.bytes, limits.deadline).await?;
    parse(&body)
}

/// A document that is an object; see [`tm_auth_proto::json::object`].
struct OneObject<T>(T);

impl<'de, T: serde::Deserialize<'de>> serde::Deserialize<'de> for OneObject<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        tm_auth_proto::json::object(deserializer).map(Self)
    }
}

/// Parses a body. An error names the field, what came and what is wanted. The structs refuse
/// duplicate fields.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let text = text::from_bytes(body).map_err(|problem| ApiError::invalid("body", problem.to_string()))?;
    if text.trim().is_empty() {
        return Err(ApiError::invalid("body", "is empty; send a JSON object"));
    }
    let mut json = serde_json::Deserializer::from_str(text);
    let OneObject(value) = serde_path_to_error::deserialize(&mut json).map_err(|error| {
        let (field, message) = problem::describe::<OneObject<T>>(text, error);
        ApiError::invalid(field, message)
    })?;
    json.end()
        .map_err(|_| ApiError::invalid("body", "has more after the JSON object; send one object"))?;
    Ok(value)
}

#[cfg(test)]
mod tests;
