//! What the browser's script posts: a `PublicKeyCredential` as JSON (WebAuthn section 5.1), with
//! binary members in base64url.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Deserializer};

use super::refused::{Refused, because};

/// A credential with an authenticator's response. Other members, extension outputs among them, are
/// ignored.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer<R> {
    id: Bytes,
    raw_id: Bytes,
    #[serde(rename = "type")]
    kind: String,
    pub(super) response: R,
}

/// The response of a registration.
#[derive(Debug, Deserialize)]
pub(super) struct Attestation {
    #[serde(rename = "clientDataJSON")]
    pub(super) client_data: Bytes,
    #[serde(rename = "attestationObject")]
    pub(super) object: Bytes,
    #[serde(default)]
    pub(super) transports: Vec<String>,
}

/// The response of an authentication.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Assertion {
    #[serde(rename = "clientDataJSON")]
    pub(super) client_data: Bytes,
    pub(super) authenticator_data: Bytes,
    pub(super) signature: Bytes,
    pub(super) user_handle: Option<Bytes>,
}

impl<R> Answer<R> {
    /// The credential's id. Its two copies must be equal.
    pub(super) fn credential_id(&self) -> Result<&[u8], Refused> {
        if self.kind == "public-key" && self.id.0 == self.raw_id.0 {
            Ok(&self.id.0)
        } else {
            Err(because("not a public-key credential"))
        }
    }
}

/// Bytes in base64url without padding.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Bytes(pub(super) Vec<u8>);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<str>::deserialize(deserializer)?;
        URL_SAFE_NO_PAD
            .decode(text.as_bytes())
            .map(Self)
            .map_err(|_| serde::de::Error::custom("expected base64url without padding"))
    }
}

impl fmt::Debug for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}
