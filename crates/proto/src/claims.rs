//! The claims of an access token (RFC 9068).

use serde::{Deserialize, Serialize};

use crate::{AccountId, Environment, OrganizationId, Scopes, SessionId};

/// The `typ` header of an access token (RFC 9068 section 2.1).
pub const ACCESS_TOKEN_TYP: &str = "at+jwt";
/// The `typ` header of a refresh token, which only the auth service reads.
pub const REFRESH_TOKEN_TYP: &str = "rt+jwt";
/// The `typ` header of the revocation list.
pub const REVOCATIONS_TYP: &str = "revocations+jwt";

/// `client_id` of a token that a person got in a browser.
pub const WEB_CLIENT: &str = "truemarkets-web";
/// `client_id` of a token that a person got in a program.
pub const NATIVE_CLIENT: &str = "truemarkets-native";

/// What an access token says. Times are Unix seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccessClaims {
    /// The public URL of the issuer's base path.
    pub iss: String,
    /// The account's e-mail where the account proved one here, else its `uid`. An address can change
    /// hands: authorize by `uid`.
    pub sub: String,
    /// Whom the token is for. The issuer's own URL means: for managing credentials, and for nothing else.
    pub aud: Audience,
    /// When the token was issued.
    pub iat: i64,
    /// From when it holds; this service leaves it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    /// When it ends.
    pub exp: i64,
    /// Its own id.
    pub jti: String,
    /// The key id where an API key minted it, else [`WEB_CLIENT`] or [`NATIVE_CLIENT`].
    pub client_id: String,
    /// Space-separated scopes; see [`AccessClaims::scopes`].
    pub scope: String,
    /// The account.
    pub uid: AccountId,
    /// The platform's own claims.
    pub tm: TmClaims,
    /// The session the token came from: what a revocation of one session names.
    pub sid: SessionId,
    /// When the holder last proved possession of a credential (not of a refresh token).
    pub auth_time: i64,
    /// How a person proved who they are (RFC 8176 section 1); empty where a key did.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub amr: Vec<String>,
    /// The environment of the issuer.
    pub env: Environment,
}

impl AccessClaims {
    /// The known scopes.
    pub fn scopes(&self) -> Scopes {
        Scopes::from_claim(&self.scope)
    }
}

/// `tm`: the platform's own claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TmClaims {
    /// The organization the account acts for.
    pub organization_id: OrganizationId,
}

/// `aud`: one string or a list of them (RFC 7519 section 4.1.3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// The usual form.
    One(String),
    /// Several audiences.
    Many(Vec<String>),
}

impl Audience {
    /// Whether `audience` is a member, compared byte for byte.
    pub fn contains(&self, audience: &str) -> bool {
        match self {
            Self::One(one) => one == audience,
            Self::Many(many) => many.iter().any(|one| one == audience),
        }
    }

    /// Whether `audience` is the only member.
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
    fn an_audience_is_matched_whole() {
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
