//! The JSON Web Key Set (RFC 7517) with the service's public signing keys.

use serde::{Deserialize, Serialize};

/// The public keys that verify access tokens and the revocation list.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JwkSet {
    /// Current, next and recently retired keys, in no particular order.
    pub keys: Vec<Jwk>,
}

/// One public key. `kty` decides which of the optional members are present.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Jwk {
    /// `RSA`, `EC` or `OKP`.
    pub kty: String,
    /// Id of the key, as in the `kid` header of tokens.
    pub kid: String,
    /// Always `sig`.
    #[serde(rename = "use")]
    pub use_: String,
    /// Only algorithm that the key may be used with: `RS256`, `ES256` or `EdDSA`.
    pub alg: String,
    /// Modulus of an RSA key, base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<String>,
    /// Exponent of an RSA key, base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub e: Option<String>,
    /// Curve of an EC or OKP key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crv: Option<String>,
    /// The x coordinate of an EC key, or the public key of an OKP key, base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    /// The y coordinate of an EC key, base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
}

/// Text whose SHA-256 is the JWK thumbprint of a P-256 key (RFC 7638 section 3), which the API
/// calls its fingerprint. `x` and `y` are base64url without padding.
pub fn p256_thumbprint_text(x: &str, y: &str) -> String {
    format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7638 section 3: only the required members, ordered by name, without white space.
    #[test]
    fn c01_the_thumbprint_text_has_the_required_members_in_order() {
        assert_eq!(
            p256_thumbprint_text("X", "Y"),
            r#"{"crv":"P-256","kty":"EC","x":"X","y":"Y"}"#
        );
    }
}
