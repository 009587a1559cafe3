//! Encodings and variants of a signature, as clients and attackers send them.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::support::TestKey;

/// The order of P-256.
const N: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa,
    0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// Signs bytes that need not be UTF-8.
pub(crate) fn sign_bytes(key: &TestKey, message: &[u8]) -> String {
    let jwk = key.signer.private_jwk().unwrap();
    let part = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap();
    let point = [&[4], part(&jwk.x).as_slice(), &part(&jwk.y)].concat();
    let pair = EcdsaKeyPair::from_private_key_and_public_key(
        &ECDSA_P256_SHA256_FIXED_SIGNING,
        &part(&jwk.d),
        &point,
    );
    URL_SAFE_NO_PAD.encode(pair.unwrap().sign(&SystemRandom::new(), message).unwrap())
}

/// Decodes a signature in the clients' format to r‖s.
pub(crate) fn raw(signature: &str) -> [u8; 64] {
    URL_SAFE_NO_PAD.decode(signature).unwrap().try_into().unwrap()
}

/// (r, n − s): as valid as (r, s), and computable without the private key.
pub(crate) fn negated(raw: [u8; 64]) -> [u8; 64] {
    let mut other = raw;
    let mut borrow = 0;
    for index in (0..32).rev() {
        let difference = i16::from(N[index]) - i16::from(raw[32 + index]) - borrow;
        borrow = i16::from(difference < 0);
        other[32 + index] = u8::try_from(difference.rem_euclid(256)).unwrap();
    }
    other
}

/// Encodes r‖s in DER as `SEQUENCE { INTEGER r, INTEGER s }`.
pub(crate) fn der(raw: [u8; 64]) -> Vec<u8> {
    let body = [integer(&raw[..32]), integer(&raw[32..])].concat();
    [&[0x30, u8::try_from(body.len()).unwrap()], body.as_slice()].concat()
}

fn integer(number: &[u8]) -> Vec<u8> {
    let first = number.iter().position(|byte| *byte != 0).unwrap();
    let mut digits = number[first..].to_vec();
    if digits[0] & 0x80 != 0 {
        digits.insert(0, 0);
    }
    [&[2, u8::try_from(digits.len()).unwrap()], digits.as_slice()].concat()
}
