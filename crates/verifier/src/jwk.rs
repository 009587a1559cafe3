//! Parses one JWK (RFC 7517) into a public key, if the key is usable.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::value::RawValue;
use tm_auth_proto::Jwk;
use tm_auth_proto::json::Object;

use crate::Algorithm;

/// Permitted sizes of an RSA modulus, in bytes: 2048, 3072 and 4096 bits. Smaller keys are weak,
/// larger ones are slow to verify with, and no common tool generates other sizes.
const RSA_LEN: [usize; 3] = [256, 384, 512];
/// 65537, the only permitted exponent. Small exponents are fragile, and with a large one a JWKS
/// could make each verification slow.
const RSA_EXPONENT: [u8; 3] = [1, 0, 1];

/// Parses the JSON of one key. Returns `None` if it is not an object with unique names, if `kty`,
/// `kid` or `alg` is missing, if a member has the wrong type, or if a key without `use` is not for
/// verifying.
pub(crate) fn from_json(text: &RawValue) -> Option<Jwk> {
    let object = Object::parse(text.get().as_bytes()).ok()?;
    let required = |name| object.read::<String>(name)?.ok();
    let optional = |name| object.read::<Option<String>>(name).map_or(Some(None), Result::ok);
    let use_ = match object.read::<String>("use") {
        Some(use_) => use_.ok()?,
        None => use_of_key_ops(&object)?,
    };
    Some(Jwk {
        kty: required("kty")?,
        kid: required("kid")?,
        use_,
        alg: required("alg")?,
        n: optional("n")?,
        e: optional("e")?,
        crv: optional("crv")?,
        x: optional("x")?,
        y: optional("y")?,
    })
}

/// The value of `use` that `key_ops` implies for a key without `use`.
fn use_of_key_ops(object: &Object<'_>) -> Option<String> {
    let for_verifying = match object.read::<Vec<String>>("key_ops") {
        Some(operations) => operations.ok()?.iter().any(|operation| operation == "verify"),
        None => true,
    };
    for_verifying.then(|| "sig".to_owned())
}

/// Returns the public key and its algorithm, or `None` if the key is not usable.
pub(crate) fn parse(jwk: &Jwk) -> Option<(Algorithm, ParsedPublicKey)> {
    if jwk.use_ != "sig" || jwk.kid.is_empty() {
        return None;
    }
    let algorithm = Algorithm::from_name(&jwk.alg)?;
    let public = match algorithm {
        Algorithm::RS256 => rsa(jwk),
        Algorithm::ES256 => p256(jwk),
        Algorithm::EdDSA => ed25519(jwk),
    }?;
    Some((algorithm, public))
}

fn rsa(jwk: &Jwk) -> Option<ParsedPublicKey> {
    if jwk.kty != "RSA" {
        return None;
    }
    let (n, e) = (decode(jwk.n.as_ref())?, decode(jwk.e.as_ref())?);
    // RFC 7518 section 6.3.1.1 forbids the leading zero octet that some libraries write. A modulus
    // with one, or with its highest bit unset, is not of full size.
    let full_size = RSA_LEN.contains(&n.len()) && *n.first()? >= 0x80;
    if !full_size || e != RSA_EXPONENT {
        return None;
    }
    RsaPublicKeyComponents { n, e }
        .to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)
        .ok()
}

fn p256(jwk: &Jwk) -> Option<ParsedPublicKey> {
    if jwk.kty != "EC" || jwk.crv.as_deref() != Some("P-256") {
        return None;
    }
    let (x, y) = (decode(jwk.x.as_ref())?, decode(jwk.y.as_ref())?);
    // RFC 7518 section 6.2.1.2: the length "MUST be the full size of a coordinate for the curve".
    if x.len() != 32 {
        return None;
    }
    // `ParsedPublicKey::new` checks the total length and that the point is on the curve.
    ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, [&[4], x.as_slice(), &y].concat()).ok()
}

fn ed25519(jwk: &Jwk) -> Option<ParsedPublicKey> {
    if jwk.kty != "OKP" || jwk.crv.as_deref() != Some("Ed25519") {
        return None;
    }
    let x = decode(jwk.x.as_ref())?;
    if x.len() != 32 {
        return None;
    }
    ParsedPublicKey::new(&ED25519, x).ok()
}

fn decode(number: Option<&String>) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(number?).ok()
}
