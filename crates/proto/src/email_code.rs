//! `POST /email/otc` and `POST /email/otc/verify`: sign-up and login with an e-mailed code.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Request of `POST /email/otc`: sends a code by e-mail.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EmailCodeRequest {
    /// Address that receives the code.
    #[cfg_attr(feature = "openapi", schema(example = "ada@example.com", max_length = 254))]
    pub email: String,
}

/// Response of `POST /email/otc`. It is the same whether or not the address has an account, and
/// whether or not the address's limits allow another e-mail.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EmailCodeAnswer {}

/// Request of `POST /email/otc/verify`: exchanges an e-mailed code for tokens.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EmailCodeVerification {
    /// Address that received the code.
    #[cfg_attr(feature = "openapi", schema(example = "ada@example.com", max_length = 254))]
    pub email: String,
    /// Code from the e-mail. Its decimal digits count, in any script; other characters are ignored.
    #[cfg_attr(feature = "openapi", schema(example = "1234-5678"))]
    pub code: String,
    /// Audience of the tokens; the platform if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audience: Option<TokenAudience>,
}

impl fmt::Debug for EmailCodeVerification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EmailCodeVerification { .. }")
    }
}

/// An audience other than the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum TokenAudience {
    /// This service only: the tokens manage the account's keys, and the platform refuses them.
    Auth,
}
