//! One JWK (RFC 7517) made into a public key, if it is one that may be used.

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::value::RawValue;
use tm_auth_proto::Jwk;
use tm_auth_proto::json::Object;

use crate::Algorithm;

/// Sizes of an RSA modulus in bytes: 2048, 3072 or 4096 bits. Smaller ones are weak, larger ones slow, odd
/// ones nobody's honest key.
const RSA_LEN: [usize; 3] = [256, 384, 512];
/// 65537, the one exponent: a small one is fragile, a large one lets a JWKS make each verification slow.
const RSA_EXPONENT: [u8; 3] = [1, 0, 1];

/// Reads a key out of a set whose other keys may be of any kind. `None` for one without `kty`, `kid` or
/// `alg`, or with a member that comes twice.
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

/// What a key without `use` is for.
fn use_of_key_ops(object: &Object<'_>) -> Option<String> {
    let for_verifying = match object.read::<Vec<String>>("key_ops") {
        Some(operations) => operations.ok()?.iter().any(|operation| operation == "verify"),
        None => true,
    };
    for_verifying.then(|| "sig".to_owned())
}

/// The public key and the algorithm it is bound to, `None` if it may not be used.
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
    // RFC 7518 section 6.3.1.1 knows libraries that prefix a zero octet, and wants it omitted. A modulus
    // with one, or a bit short of its length, does not pass.
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
    // Parsing checks the length of both together and that the point is on the curve.
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
