//! `GET|POST /api-keys`, `GET|PATCH|DELETE /api-keys/{key_id}` and `GET /api-key`.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use jiff::Timestamp;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::{KeyId, Scopes};

/// A registered API key, as the API shows it to the key's owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApiKey {
    /// UUID that identifies the key.
    pub key_id: KeyId,
    /// Name that the owner gave the key.
    pub label: String,
    /// Always `ES256`.
    pub algorithm: String,
    /// RFC 7638 thumbprint of the public key, base64url without padding.
    pub fingerprint: String,
    /// Whether the key can mint tokens, and if not, why.
    pub status: ApiKeyStatus,
    /// Scopes of the key's tokens.
    pub scopes: Scopes,
    /// Networks from which the key may be used; empty means any.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub allowed_ips: Vec<IpNet>,
    /// When the key was registered.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub created_at: Timestamp,
    /// When the key expires; `null` if it never does.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub expires_at: Option<Timestamp>,
    /// When the owner disabled the key; `null` if it is not disabled.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub disabled_at: Option<Timestamp>,
    /// When the key was revoked; `null` if it was not.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub revoked_at: Option<Timestamp>,
    /// When the key was last used for a mint or a refresh; may lag by a few seconds.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub last_used_at: Option<Timestamp>,
    /// Client address of that last use.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub last_used_ip: Option<IpAddr>,
}

/// Status of an API key.
// Not `#[non_exhaustive]`: the rules and the server's pages must decide about each status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum ApiKeyStatus {
    /// Registered, but not yet activated: the owner has not confirmed that the key file is saved.
    Pending,
    /// The key can mint tokens.
    Active,
    /// The owner disabled the key and can enable it again.
    Disabled,
    /// The key's `expires_at` has passed.
    Expired,
    /// The owner or an operator revoked the key. This is final.
    Revoked,
}

/// All API keys of an account.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApiKeyList {
    /// Newest first; includes expired and revoked keys.
    pub keys: Vec<ApiKey>,
}

/// Response of `GET /api-key`: a key looks at itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OwnApiKey {
    /// The key that minted the request's bearer token.
    pub key: ApiKey,
    /// Address from which this request came, as the server sees it.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub seen_ip: IpAddr,
    /// Time on the server's clock.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub server_time: Timestamp,
}

/// Request of `POST /api-keys`: registers a public key.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RegisterApiKey {
    /// Name of the key, at most 64 characters.
    #[cfg_attr(feature = "openapi", schema(max_length = 64))]
    pub label: String,
    /// Public half of the key pair.
    pub public_key: PublicKeyInput,
    /// Proof that the caller holds the private half.
    #[serde(deserialize_with = "crate::json::object")]
    pub proof: RegistrationProof,
    /// Scopes of the key's tokens; all scopes if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Scopes>,
    /// When the key expires; one year from now if absent, never if `null`.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    #[allow(clippy::option_option, reason = "absent and null differ")]
    pub expires_at: Option<Option<Timestamp>>,
    /// Addresses or networks from which the key may be used; any if absent or empty.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub allowed_ips: Vec<String>,
    /// If true, the key mints nothing until it is activated (`POST /api-keys/{key_id}/activate`). A
    /// key that is not activated within 24 hours is deleted, and its public key can be registered
    /// again.
    #[serde(default, skip_serializing_if = "is_false")]
    pub pending: bool,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference to `skip_serializing_if`"
)]
fn is_false(value: &bool) -> bool {
    !value
}

/// A P-256 public key in one of the encodings that common tools print.
#[derive(Clone, Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum PublicKeyInput {
    /// SPKI PEM (line breaks may be written `\n`), an SSH public key, SPKI DER in base64, or a SEC1
    /// point (uncompressed or compressed) in hex or base64.
    Text(String),
    /// JWK (RFC 7517).
    Jwk(serde_json::Map<String, serde_json::Value>),
}

/// Not derived: the error of an untagged enum does not say what is wanted.
impl<'de> Deserialize<'de> for PublicKeyInput {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextOrJwk;
        impl<'de> Visitor<'de> for TextOrJwk {
            type Value = PublicKeyInput;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a public key: a string with PEM, SSH, base64 or hex, or a JWK")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<PublicKeyInput, E> {
                Ok(PublicKeyInput::Text(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<PublicKeyInput, A::Error> {
                serde_json::Map::deserialize(MapAccessDeserializer::new(map)).map(PublicKeyInput::Jwk)
            }
        }
        deserializer.deserialize_any(TextOrJwk)
    }
}

/// Proof that the caller holds the private key: a signature over the text for registrations or the
/// text for activations. `docs/API.md` describes both.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RegistrationProof {
    /// The signed text's timestamp: Unix seconds, within five minutes of the server's clock.
    #[serde(deserialize_with = "crate::json::unix_seconds")]
    pub timestamp: i64,
    /// ES256 signature, in the encodings that `POST /api-key/token` accepts.
    pub signature: String,
}

/// Request of `PATCH /api-keys/{key_id}`: changes a key. Absent members stay as they are.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UpdateApiKey {
    /// New name, at most 64 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// New scopes, in force from the next mint or refresh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Scopes>,
    /// New expiry; never if `null`.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    #[allow(clippy::option_option, reason = "absent and null differ")]
    pub expires_at: Option<Option<Timestamp>>,
    /// New addresses or networks from which the key may be used; any if empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<String>>))]
    pub allowed_ips: Option<Vec<String>>,
    /// Disables the key if true, enables it if false. While a key is disabled, mints and refreshes
    /// with it fail and its access tokens are revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
}

/// Deserializes a `null` member to `Some(None)`; an absent one defaults to `None`.
#[allow(clippy::option_option, reason = "absent and null differ")]
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<Timestamp>>, D::Error> {
    let end: Option<crate::json::DateTime> = Option::deserialize(deserializer)?;
    Ok(Some(end.map(|end| end.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expires_at_distinguishes_null_from_absent() {
        let end = |body: &str| serde_json::from_str::<UpdateApiKey>(body).unwrap().expires_at;
        let at: Timestamp = "2027-01-15T08:00:00Z".parse().unwrap();
        assert_eq!(end("{}"), None);
        assert_eq!(end(r#"{"expires_at":null}"#), Some(None));
        assert_eq!(end(r#"{"expires_at":"2027-01-15T08:00:00Z"}"#), Some(Some(at)));
        assert!(serde_json::from_str::<UpdateApiKey>(r#"{"expires_at":1}"#).is_err());
    }
}
