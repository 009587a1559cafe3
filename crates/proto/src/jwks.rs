//! The JSON Web Key Set (RFC 7517) with the service's public keys.

use serde::{Deserialize, Serialize};

/// The public keys that verify access tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct JwkSet {
    /// The keys; more than one around a rotation.
    pub keys: Vec<Jwk>,
}

/// One public key. Which of the optional members are there depends on `kty`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Jwk {
    /// `RSA`, `EC` or `OKP`.
    pub kty: String,
    /// The key's name, as tokens carry it.
    pub kid: String,
    /// Always `sig`.
    #[serde(rename = "use")]
    pub use_: String,
    /// `RS256`, `ES256` or `EdDSA`: the one algorithm this key is for.
    pub alg: String,
    /// RSA: the modulus, base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub n: Option<String>,
    /// RSA: the exponent, base64url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub e: Option<String>,
    /// EC and OKP: the curve.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crv: Option<String>,
    /// EC: the x coordinate; OKP: the public key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x: Option<String>,
    /// EC: the y coordinate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub y: Option<String>,
}

/// The JWK thumbprint's text of a P-256 key (RFC 7638 section 3): its SHA-256 is the key's fingerprint.
/// `x` and `y` are base64url without padding.
pub fn p256_thumbprint_text(x: &str, y: &str) -> String {
    format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 7638 section 3: the required members alone, in the order of their names, without white space.
    #[test]
    fn c01_the_thumbprint_text_is_the_required_members_in_order() {
        assert_eq!(
            p256_thumbprint_text("X", "Y"),
            r#"{"crv":"P-256","kty":"EC","x":"X","y":"Y"}"#
        );
    }
}
