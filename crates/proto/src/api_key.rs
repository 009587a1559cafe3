//! `GET|POST /api-keys`, `GET|PATCH|DELETE /api-keys/{key_id}` and `GET /api-key`.

use std::net::IpAddr;

use ipnet::IpNet;
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};

use crate::{KeyId, Scopes};

/// A registered API key, as its owner sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApiKey {
    /// Its id.
    pub key_id: KeyId,
    /// The name its owner gave it.
    pub label: String,
    /// Always `ES256`.
    pub algorithm: String,
    /// The RFC 7638 thumbprint of the public key, base64url.
    pub fingerprint: String,
    /// Whether it can mint.
    pub status: ApiKeyStatus,
    /// What its tokens may do.
    pub scopes: Scopes,
    /// The addresses it may be used from; empty means any.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub allowed_ips: Vec<IpNet>,
    /// When it was registered.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub created_at: Timestamp,
    /// When it ends, where it does.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub expires_at: Option<Timestamp>,
    /// Since when its owner has it disabled, where they have.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub disabled_at: Option<Timestamp>,
    /// When it was revoked, where it was.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub revoked_at: Option<Timestamp>,
    /// When it last minted or refreshed; may lag by a few seconds.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    pub last_used_at: Option<Timestamp>,
    /// From where it last did.
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>))]
    pub last_used_ip: Option<IpAddr>,
}

/// See [`ApiKey::status`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum ApiKeyStatus {
    /// Registered, but its owner has not yet confirmed that the key file is saved.
    Pending,
    /// It mints.
    Active,
    /// Its owner disabled it for now.
    Disabled,
    /// Its end has passed.
    Expired,
    /// Its owner or an operator ended it; there is no way back.
    Revoked,
}

/// The keys of an account.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ApiKeyList {
    /// Newest first, revoked ones included.
    pub keys: Vec<ApiKey>,
}

/// A key's own view of itself (`GET /api-key`).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OwnApiKey {
    /// The key that minted the token.
    pub key: ApiKey,
    /// The address this request came from, as the server sees it.
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub seen_ip: IpAddr,
    /// The server's clock.
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub server_time: Timestamp,
}

/// Registers a public key (`POST /api-keys`).
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RegisterApiKey {
    /// A name, at most 64 characters.
    #[cfg_attr(feature = "openapi", schema(max_length = 64))]
    pub label: String,
    /// The public key.
    pub public_key: PublicKeyInput,
    /// Proof that whoever registers the key holds it.
    #[serde(deserialize_with = "crate::json::object")]
    pub proof: RegistrationProof,
    /// What its tokens may do; everything where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Scopes>,
    /// When it ends; a year from now where it is left out, `null` for never.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    #[allow(clippy::option_option, reason = "left out and null differ")]
    pub expires_at: Option<Option<Timestamp>>,
    /// The addresses or networks it may be used from; any where it is left out or empty.
    #[serde(default)]
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<String>))]
    pub allowed_ips: Vec<String>,
    /// Whether the key mints only once it was activated (`POST /api-keys/{key_id}/activate`). Where it is not
    /// within 24 hours, it is deleted and its public key is free again.
    #[serde(default, skip_serializing_if = "is_false")]
    pub pending: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_false(value: &bool) -> bool {
    !value
}

/// A P-256 public key in any of the forms that tools print.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(untagged)]
pub enum PublicKeyInput {
    /// SPKI PEM (line breaks may be written `\n`), SPKI DER in base64, or a SEC1 point (uncompressed or
    /// compressed) in hex or base64.
    Text(String),
    /// A JWK.
    Jwk(serde_json::Map<String, serde_json::Value>),
}

/// A signature over the text of [`crate::challenge::registration`], or of [`crate::challenge::activation`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct RegistrationProof {
    /// Unix seconds in the signed text, within five minutes of the server's clock.
    pub timestamp: i64,
    /// The signature, encoded as at a mint.
    pub signature: String,
}

/// Changes a key (`PATCH /api-keys/{key_id}`). What is left out stays.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct UpdateApiKey {
    /// A new name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// New scopes, in force from the next mint or refresh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<Scopes>,
    /// A new end, `null` for none.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        deserialize_with = "present"
    )]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<String>, format = DateTime))]
    #[allow(clippy::option_option, reason = "left out and null differ")]
    pub expires_at: Option<Option<Timestamp>>,
    /// A new list of addresses; empty for any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Vec<String>>))]
    pub allowed_ips: Option<Vec<String>>,
    /// Whether it is disabled: while it is, nothing mints or refreshes with it, and its tokens do not hold.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled: Option<bool>,
}

/// Tells a member that is `null` from one that is left out.
#[allow(clippy::option_option, reason = "left out and null differ")]
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<Timestamp>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_that_is_null_is_not_one_that_is_left_out() {
        let end = |body: &str| serde_json::from_str::<UpdateApiKey>(body).unwrap().expires_at;
        let at: Timestamp = "2027-01-15T08:00:00Z".parse().unwrap();
        assert_eq!(end("{}"), None);
        assert_eq!(end(r#"{"expires_at":null}"#), Some(None));
        assert_eq!(end(r#"{"expires_at":"2027-01-15T08:00:00Z"}"#), Some(Some(at)));
        assert!(serde_json::from_str::<UpdateApiKey>(r#"{"expires_at":1}"#).is_err());
    }
}
