//! `POST /email/otc` and `POST /email/otc/verify`: sign-up and sign-in by a mailed code, one flow for both.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Asks for a code by mail.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EmailCodeRequest {
    /// Where it is mailed.
    #[cfg_attr(feature = "openapi", schema(example = "ada@example.com", max_length = 254))]
    pub email: String,
}

/// The answer to a wish for a code: the same whether the address has an account or not, and whether a mail
/// goes out or its limits are reached.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EmailCodeAnswer {}

/// Presents a mailed code.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EmailCodeVerification {
    /// The address it was mailed to.
    #[cfg_attr(feature = "openapi", schema(example = "ada@example.com", max_length = 254))]
    pub email: String,
    /// The code, with or without spaces and dashes.
    #[cfg_attr(feature = "openapi", schema(example = "1234-5678"))]
    pub code: String,
    /// What the tokens are for; left out: for the platform.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<TokenAudience>,
}

impl fmt::Debug for EmailCodeVerification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmailCodeVerification { .. }")
    }
}

/// For whom tokens are, where not for the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TokenAudience {
    /// For this service alone, to manage the account's keys. The platform takes them for nothing.
    Auth,
}
