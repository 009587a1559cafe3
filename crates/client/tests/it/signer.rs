//! Key pairs and signatures.

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use tm_auth_client::proto::{PrivateJwk, PublicKeyInput, challenge};
use tm_auth_client::{Signer, SignerError};

const AT: Timestamp = Timestamp::constant(1_764_000_000, 0);

fn spki(signer: &Signer) -> Vec<u8> {
    let pem = signer.public_key_pem().unwrap();
    let body = pem
        .strip_prefix("-----BEGIN PUBLIC KEY-----\n")
        .and_then(|rest| rest.strip_suffix("\n-----END PUBLIC KEY-----\n"))
        .unwrap();
    assert!(body.lines().all(|line| line.len() <= 64));
    STANDARD.decode(body.replace('\n', "")).unwrap()
}

fn verifies(signer: &Signer, text: &str, signature: &str) -> bool {
    let raw = URL_SAFE_NO_PAD.decode(signature).unwrap();
    assert_eq!(raw.len(), 64);
    ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, spki(signer))
        .unwrap()
        .verify_sig(text.as_bytes(), &raw)
        .is_ok()
}

#[test]
fn a_mint_is_signed_over_key_id_dot_timestamp() {
    let signer = Signer::generate().unwrap();
    let key_id = "B1F0C2D4-6a1e-8c55-9d1f-2f1a0c3b4d5e".parse().unwrap();
    let request = signer.mint_request(key_id, AT).unwrap();
    assert_eq!(request.key_id, "b1f0c2d4-6a1e-8c55-9d1f-2f1a0c3b4d5e");
    assert_eq!(request.timestamp, 1_764_000_000);
    let text = "b1f0c2d4-6a1e-8c55-9d1f-2f1a0c3b4d5e.1764000000";
    assert!(verifies(&signer, text, &request.signature));
    assert!(!verifies(&signer, &format!("{text}\n"), &request.signature));
    let again = signer.mint_request(key_id, AT).unwrap();
    assert_ne!(request.signature, again.signature);
}

#[test]
fn a_registration_is_signed_over_issuer_account_and_fingerprint() {
    let signer = Signer::generate().unwrap();
    let account = "00000000-0000-8000-8000-000000000001".parse().unwrap();
    let proof = signer
        .registration_proof("https://a.example/v1/auth", account, AT)
        .unwrap();
    let text = challenge::registration(
        "https://a.example/v1/auth",
        account,
        signer.fingerprint(),
        proof.timestamp,
    );
    assert!(verifies(&signer, &text, &proof.signature));
}

#[test]
fn a_key_pair_can_be_read_back_from_its_key_file() {
    let signer = Signer::generate().unwrap();
    let file = signer.key_file("bot", AT).unwrap();
    let again = Signer::from_key_file(&file).unwrap();
    assert_eq!(again.fingerprint(), signer.fingerprint());
    assert_eq!(again.public_key_pem().unwrap(), signer.public_key_pem().unwrap());
    assert!(verifies(&signer, "x", &again.sign("x").unwrap()));
    assert_eq!(file.fingerprint, signer.fingerprint());
    assert_eq!(
        (file.label.as_str(), file.created_at, file.key_id),
        ("bot", Some(AT), None)
    );
}

/// The key of RFC 7515 appendix A.3. Its RFC 7638 thumbprint was computed with Python's hashlib.
fn published() -> PrivateJwk {
    serde_json::from_str(
        r#"{"kty":"EC","crv":"P-256",
            "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
            "d":"jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI"}"#,
    )
    .unwrap()
}

#[test]
fn a_published_key_has_its_known_fingerprint() {
    let signer = Signer::from_jwk(&published()).unwrap();
    assert_eq!(
        signer.fingerprint(),
        "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U"
    );
    let PublicKeyInput::Jwk(jwk) = signer.public_jwk() else {
        panic!("the public key is not a JWK")
    };
    assert_eq!(jwk["x"], "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU");
    assert_eq!((&jwk["kty"], &jwk["crv"]), (&"EC".into(), &"P-256".into()));
    assert!(!jwk.contains_key("d"));
}

#[test]
fn a_public_key_that_does_not_belong_to_the_private_key_is_refused() {
    let mut jwk = published();
    let other = Signer::generate().unwrap().private_jwk().unwrap();
    jwk.d = other.d.clone();
    assert_eq!(Signer::from_jwk(&jwk).unwrap_err(), SignerError::Inconsistent);
    let mut off_the_curve = published();
    off_the_curve.y = off_the_curve.x.clone();
    assert_eq!(
        Signer::from_jwk(&off_the_curve).unwrap_err(),
        SignerError::Inconsistent
    );
    let mut zero = published();
    zero.d = URL_SAFE_NO_PAD.encode([0; 32]);
    assert_eq!(Signer::from_jwk(&zero).unwrap_err(), SignerError::Inconsistent);
}

#[test]
fn malformed_members_are_named() {
    for wrong in [
        "",
        "AA",
        "not base64!",
        &"A".repeat(44),
        &"A".repeat(86),
        &format!("{}=", "A".repeat(43)),
    ] {
        let mut jwk = published();
        jwk.d = wrong.to_owned();
        assert_eq!(
            Signer::from_jwk(&jwk).unwrap_err(),
            SignerError::InvalidMember("d"),
            "{wrong}"
        );
    }
    let mut jwk = published();
    jwk.x = "AA".to_owned();
    assert_eq!(
        Signer::from_jwk(&jwk).unwrap_err(),
        SignerError::InvalidMember("x")
    );
    let mut jwk = published();
    jwk.y = "AA".to_owned();
    assert_eq!(
        Signer::from_jwk(&jwk).unwrap_err(),
        SignerError::InvalidMember("y")
    );
}

#[test]
fn other_kinds_of_keys_are_refused() {
    let mut jwk = published();
    jwk.crv = "P-384".to_owned();
    assert_eq!(Signer::from_jwk(&jwk).unwrap_err(), SignerError::NotP256);
    let mut jwk = published();
    jwk.kty = "OKP".to_owned();
    assert_eq!(Signer::from_jwk(&jwk).unwrap_err(), SignerError::NotP256);
    let mut file = Signer::generate().unwrap().key_file("", AT).unwrap();
    file.algorithm = "RS256".to_owned();
    assert_eq!(Signer::from_key_file(&file).unwrap_err(), SignerError::NotP256);
}

#[test]
fn debug_shows_the_fingerprint_only() {
    let signer = Signer::from_jwk(&published()).unwrap();
    let shown = format!("{signer:?}");
    assert!(shown.contains(signer.fingerprint()));
    assert!(!shown.contains("jpsQnnGQ") && !shown.contains("8e9b109e"));
}
