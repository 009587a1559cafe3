//! A public key in the forms that tools print, and its private key in the forms that users paste by
//! mistake.

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};
use tm_auth_client::Signer;

/// The DER of an SPKI before the uncompressed point: id-ecPublicKey, prime256v1 (RFC 5480).
const SPKI: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// The uncompressed SEC1 point.
pub(crate) fn point(signer: &Signer) -> Vec<u8> {
    let jwk = signer.private_jwk().unwrap();
    let part = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    [&[4], part(&jwk.x).as_slice(), &part(&jwk.y)].concat()
}

pub(crate) fn compressed(point: &[u8]) -> Vec<u8> {
    [&[2 + (point[64] & 1)], &point[1..33]].concat()
}

pub(crate) fn spki(point: &[u8]) -> Vec<u8> {
    [SPKI.as_slice(), point].concat()
}

pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let lines: Vec<&str> = body
        .as_bytes()
        .chunks(64)
        .map(|line| std::str::from_utf8(line).unwrap())
        .collect();
    format!(
        "-----BEGIN {label}-----\n{}\n-----END {label}-----\n",
        lines.join("\n")
    )
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(crate) fn colon_hex(bytes: &[u8]) -> String {
    let bytes: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(":")
}

/// A line of `id_ecdsa.pub` (RFC 5656 section 3.1).
pub(crate) fn ssh(point: &[u8]) -> String {
    let mut blob = Vec::new();
    for part in [b"ecdsa-sha2-nistp256".as_slice(), b"nistp256", point] {
        blob.extend(u32::try_from(part.len()).unwrap().to_be_bytes());
        blob.extend(part);
    }
    format!("ecdsa-sha2-nistp256 {} ada@example.com", STANDARD.encode(blob))
}

pub(crate) fn jwk(point: &[u8]) -> Value {
    json!({ "kty": "EC", "crv": "P-256", "x": URL_SAFE_NO_PAD.encode(&point[1..33]), "y": URL_SAFE_NO_PAD.encode(&point[33..]) })
}

/// The private scalar, 32 bytes.
pub(crate) fn private_number(signer: &Signer) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(&signer.private_jwk().unwrap().d).unwrap()
}

pub(crate) fn pkcs8(signer: &Signer) -> Vec<u8> {
    let pair = EcdsaKeyPair::from_private_key_and_public_key(
        &ECDSA_P256_SHA256_FIXED_SIGNING,
        &private_number(signer),
        &point(signer),
    );
    pair.unwrap().to_pkcs8v1().unwrap().as_ref().to_vec()
}

/// The private key as an `ECPrivateKey` (RFC 5915).
pub(crate) fn sec1(signer: &Signer) -> Vec<u8> {
    [
        &[0x30, 0x31, 0x02, 1, 1, 4, 32][..],
        &private_number(signer),
        &[0xa0, 10, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7],
    ]
    .concat()
}

/// The SPKI of a key of another type.
pub(crate) fn spki_of(key: &impl AsDer<aws_lc_rs::encoding::PublicKeyX509Der<'static>>) -> Vec<u8> {
    key.as_der().unwrap().as_ref().to_vec()
}
