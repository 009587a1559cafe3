//! `POST /api-key/token`, `POST /token/refresh` and `POST /token/revoke`.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Asks for tokens with a signature.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApiKeyTokenRequest {
    /// The registered API key, a UUID.
    #[cfg_attr(
        feature = "openapi",
        schema(example = "b1f0c2d4-6a1e-8c55-9d1f-2f1a0c3b4d5e", max_length = 64)
    )]
    pub key_id: String,
    /// Unix seconds, within 30 s of the server's clock.
    #[cfg_attr(feature = "openapi", schema(example = 1_764_000_000, minimum = 0))]
    pub timestamp: i64,
    /// ES256 over the UTF-8 bytes of `{key_id}.{timestamp}`, base64url: 64 bytes r‖s (DER is read too).
    #[cfg_attr(feature = "openapi", schema(max_length = 1024))]
    pub signature: String,
}

/// Presents a refresh token: to exchange it, or to end its session.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RefreshTokenRequest {
    /// The newest refresh token of the session.
    pub refresh_token: String,
}

impl fmt::Debug for RefreshTokenRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefreshTokenRequest { .. }")
    }
}

/// A pair of tokens.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TokenResponse {
    /// The JWT to send as `Authorization: Bearer …`.
    pub access_token: String,
    /// The JWT to exchange at `/token/refresh`; only the auth service ever verifies it.
    pub refresh_token: String,
    /// The instant at which the access token ends: an RFC 3339 date-time, not a number of seconds.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub expires_in: Timestamp,
    /// Always `Bearer`.
    #[cfg_attr(feature = "openapi", schema(example = "Bearer"))]
    pub token_type: String,
    /// When the API key itself ends, where it does: mint a successor before.
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

/// The answer to `POST /token/revoke`: the same whatever was presented (RFC 7009 section 2.2).
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct RevokeResponse {}
