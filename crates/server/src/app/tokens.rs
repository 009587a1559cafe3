//! The response with a pair of tokens.

use jiff::Timestamp;
use tm_auth_core::token::access::AccessToken;
use tm_auth_proto::TokenResponse;

/// `key_expires_at` is `None` for a user's session and for an API key that does not expire.
pub(crate) fn response(
    access_token: AccessToken,
    refresh_token: String,
    key_expires_at: Option<Timestamp>,
) -> TokenResponse {
    TokenResponse {
        expires_in: access_token.expires_at,
        access_token: access_token.text,
        refresh_token,
        token_type: "Bearer".to_owned(),
        key_expires_at,
    }
}
