//! `POST /api-key/token`, `POST /token/refresh` and `POST /token/revoke`.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Request of `POST /api-key/token`: mints tokens with an API key.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApiKeyTokenRequest {
    /// UUID of a registered API key.
    #[cfg_attr(
        feature = "openapi",
        schema(example = "b1f0c2d4-6a1e-8c55-9d1f-2f1a0c3b4d5e", max_length = 64)
    )]
    pub key_id: String,
    /// Unix seconds, within 30 s of the server's clock.
    #[serde(deserialize_with = "crate::json::unix_seconds")]
    #[cfg_attr(feature = "openapi", schema(example = 1_764_000_000, minimum = 0))]
    pub timestamp: i64,
    /// ES256 signature over the UTF-8 bytes of `{key_id}.{timestamp}`: 64 bytes r‖s in base64url
    /// (DER is accepted, too).
    #[cfg_attr(feature = "openapi", schema(max_length = 1024))]
    pub signature: String,
}

/// Request of `POST /token/refresh`, which exchanges a refresh token, and of `POST /token/revoke`,
/// which ends its session.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RefreshTokenRequest {
    /// Newest refresh token of the session.
    pub refresh_token: String,
}

impl fmt::Debug for RefreshTokenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshTokenRequest { .. }")
    }
}

/// An access token and a refresh token.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TokenResponse {
    /// JWT to send as `Authorization: Bearer …`.
    pub access_token: String,
    /// JWT to exchange at `/token/refresh`. Only the auth service can verify it.
    pub refresh_token: String,
    /// When the access token expires: an RFC 3339 date-time, not a number of seconds.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub expires_in: Timestamp,
    /// Always `Bearer`.
    #[cfg_attr(feature = "openapi", schema(example = "Bearer"))]
    pub token_type: String,
    /// When the API key itself expires; absent if it never does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub key_expires_at: Option<Timestamp>,
}

impl fmt::Debug for TokenResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenResponse")
            .field("expires_in", &self.expires_in)
            .finish_non_exhaustive()
    }
}

/// Response of `POST /token/revoke`, also for an invalid token (RFC 7009 section 2.2).
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RevokeResponse {}
