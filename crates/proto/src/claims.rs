//! The claims of an access token (RFC 9068).

use serde::{Deserialize, Serialize};

use crate::{AccountId, Environment, OrganizationId, Scopes, SessionId};

/// The `typ` header of an access token (RFC 9068 section 2.1).
pub const ACCESS_TOKEN_TYP: &str = "at+jwt";
/// The `typ` header of a refresh token. Only the auth service verifies refresh tokens.
pub const REFRESH_TOKEN_TYP: &str = "rt+jwt";
/// The `typ` header of the revocation list.
pub const REVOCATIONS_TYP: &str = "revocations+jwt";

/// `client_id` of the platform's web application. This service does not issue it.
pub const WEB_CLIENT: &str = "truemarkets-web";
/// `client_id` of tokens that a user obtained by logging in, for example by an e-mailed code.
pub const NATIVE_CLIENT: &str = "truemarkets-native";

/// Claims of an access token. Times are Unix seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    /// Issuer: the public URL of the service's base path.
    pub iss: String,
    /// Subject: the account's verified e-mail address, or its `uid` if it has none. An address can
    /// move to another account; authorize by `uid`.
    pub sub: String,
    /// Audience. The issuer's own URL as the only audience marks a management token, which is valid
    /// only for managing credentials.
    pub aud: Audience,
    /// When the token was issued.
    pub iat: i64,
    /// When the token becomes valid; this service omits the claim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// When the token expires.
    pub exp: i64,
    /// UUID that identifies the token.
    pub jti: String,
    /// The key id if an API key minted the token, else [`NATIVE_CLIENT`].
    pub client_id: String,
    /// Space-separated scopes; see [`AccessClaims::scopes`].
    pub scope: String,
    /// Account that the token speaks for.
    pub uid: AccountId,
    /// Claims specific to the platform.
    pub tm: TmClaims,
    /// Session that issued the token; the revocation list names ended sessions by it.
    pub sid: SessionId,
    /// When the holder last authenticated. A refresh does not count as authentication.
    pub auth_time: i64,
    /// Authentication method of the user (RFC 8176 section 1); empty if an API key authenticated.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub amr: Vec<String>,
    /// Environment of the issuer.
    pub env: Environment,
}

impl AccessClaims {
    /// The scopes that this version knows; unknown words are ignored.
    pub fn scopes(&self) -> Scopes {
        Scopes::from_claim(&self.scope)
    }
}

/// Value of the `tm` claim: claims specific to the platform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TmClaims {
    /// Organization that the account acts for.
    pub organization_id: OrganizationId,
}

/// Value of the `aud` claim: one string or a list of strings (RFC 7519 section 4.1.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// A single string.
    One(String),
    /// A list.
    Many(Vec<String>),
}

impl Audience {
    /// Whether `audience` is one of the audiences, compared byte for byte.
    pub fn contains(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Many(many) => many.iter().any(|one| one == audience),
        }
    }

    /// Whether `audience` is the only audience.
    pub fn is_exactly(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Many(many) => matches!(many.as_slice(), [one] if one == audience),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_audience_matches_only_the_whole_string() {
        let many = Audience::Many(vec!["https://a".into(), "https://b".into()]);
        assert!(many.contains("https://b") && !many.contains("https://"));
        assert!(!many.is_exactly("https://a"));
        assert!(Audience::Many(vec!["https://a".into()]).is_exactly("https://a"));
        assert!(!Audience::Many(vec![]).is_exactly("https://a"));
        let one = Audience::One("https://a".into());
        assert!(one.contains("https://a") && one.is_exactly("https://a") && !one.contains("https://a/"));
        assert!(!one.is_exactly("https://a/"));
    }
}
