//! The verifiers and clients of `examples/`, in several languages, against the real server.
//!
//! For each signature algorithm, every verifier
//!
//! 1. accepts a token that the server minted and prints its claims,
//! 2. refuses tokens that an attacker can derive from the server's tokens,
//! 3. accepts a valid token of an issuer whose key the test holds, so that a refusal in step 4 is
//!    due to the token and not to the issuer, and
//! 4. refuses tokens that this issuer signed but that are not valid.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tm_auth_proto::CompactJws;
use tm_auth_proto::compact;
use tm_auth_verifier::Algorithm;

use crate::dev::Dev;
use crate::external_program::Program;
use crate::issuer::HttpIssuer;

/// The Rust example, which also checks the revocation list.
const RUST: &str = "verify-access-token";

#[tokio::test(flavor = "multi_thread")]
async fn every_language_verifies_rs256_tokens_and_refuses_invalid_ones() {
    every_language(Algorithm::RS256).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_language_verifies_es256_tokens_and_refuses_invalid_ones() {
    every_language(Algorithm::ES256).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_language_verifies_eddsa_tokens_and_refuses_invalid_ones() {
    every_language(Algorithm::EdDSA).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_clients_mint_and_refresh() {
    let dev = Dev::start(&[]);
    let key_file = dev.key_file();
    let settings = [("TM_AUTH_URL", dev.issuer())];
    let verifier = Program::workspace_binary(RUST);
    for client in [
        Program::node(
            "mint-refresh in TypeScript",
            "examples/mint-refresh/typescript/dist/mint-refresh.js",
        ),
        Program::built("mint-refresh in Go", "examples/mint-refresh/go/mint-refresh"),
    ] {
        let output = client.run(
            &borrowed(&settings),
            &[key_file.to_str().expect("the path is UTF-8")],
            "",
        );
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {stderr}", client.name);
        assert!(stderr.contains("minted, expires 20"), "{}: {stderr}", client.name);
        assert!(
            stderr.contains("refreshed, expires 20"),
            "{}: {stderr}",
            client.name
        );
        let token = String::from_utf8_lossy(&output.stdout);
        assert_accepts(&verifier, &settings_of(&dev), &token);
        let output = client.run(&borrowed(&settings), &["/nowhere.json"], "");
        assert_eq!(output.status.code(), Some(1), "{}: no key file", client.name);
    }
}

async fn every_language(algorithm: Algorithm) {
    let dev = Dev::start(&[("TM_AUTH__TOKENS__ALGORITHM", algorithm.as_str())]);
    let minted = dev.mint().await;
    let header = CompactJws::parse(&minted.access_token)
        .expect("the token is a JWS")
        .header;
    assert_eq!(header.alg, algorithm.as_str());
    let other_issuer = HttpIssuer::start(algorithm).await;
    let settings = settings_of(&dev);
    for program in verifiers() {
        assert_accepts(&program, &settings, &minted.access_token);
        for (what, token) in forgeries(&minted.access_token, &minted.refresh_token, &other_issuer) {
            assert_refuses(&program, &settings, what, &token);
        }
        let audience = with(&settings, "TM_AUDIENCE", dev.issuer());
        assert_refuses(&program, &audience, "another audience", &minted.access_token);
        let issuer = with(&settings, "TM_ISSUER", format!("{}/", dev.issuer()));
        if program.name == RUST {
            // The Rust example checks the revocation list before the token. The list has another
            // issuer.
            let output = program.run(&borrowed(&issuer), &[], &minted.access_token);
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{stderr}");
            assert!(stderr.contains("is not the expected issuer"), "{stderr}");
        } else {
            assert_refuses(&program, &issuer, "another issuer", &minted.access_token);
        }
        assert_accepts(
            &program,
            &other_issuer.settings(),
            &other_issuer.sign(&other_issuer.claims()),
        );
        for (what, token) in signed_but_invalid(&other_issuer, algorithm) {
            assert_refuses(&program, &other_issuer.settings(), what, &token);
        }
    }
}

fn verifiers() -> Vec<Program> {
    let python = crate::external_program::workspace().join("examples/verify/python/verify.py");
    vec![
        Program::python("Python", &[python.to_str().expect("the path is UTF-8")]),
        Program::node("TypeScript", "examples/verify/typescript/dist/verify.js"),
        Program::built("Go", "examples/verify/go/verify"),
        Program::java("Java", "examples/verify/java", "Verify"),
        Program::workspace_binary(RUST),
    ]
}

/// Tokens that an attacker with another key can derive from the server's tokens.
fn forgeries(access: &str, refresh: &str, other_issuer: &HttpIssuer) -> Vec<(&'static str, String)> {
    let jws = CompactJws::parse(access).expect("the token is a JWS");
    let kid = jws.header.kid.clone().expect("the header has a key id");
    let mut claims: Value = serde_json::from_slice(&jws.payload).expect("the payload has the claims");
    let same_claims = other_issuer.sign(&claims);
    let same_kid = other_issuer.sign_with(&claims, &[("kid", &kid)]);
    claims["sub"] = json!("mallory@example.com");
    let (signed, signature) = access.rsplit_once('.').expect("a JWS has three parts");
    let (header, payload) = signed.split_once('.').expect("a JWS has three parts");
    let altered = URL_SAFE_NO_PAD.encode(claims.to_string());
    let none = compact::signing_input("none", "at+jwt", &kid, &jws.payload);
    vec![
        ("altered claims", format!("{header}.{altered}.{signature}")),
        ("no signature", format!("{header}.{payload}.")),
        ("alg none", format!("{none}.")),
        ("another issuer's key", same_claims),
        ("another issuer's key under the server's kid", same_kid),
        ("a refresh token", refresh.to_owned()),
        ("no token", "not.a.token".to_owned()),
    ]
}

/// Tokens that the issuer signed but that must be refused.
fn signed_but_invalid(other_issuer: &HttpIssuer, algorithm: Algorithm) -> Vec<(&'static str, String)> {
    let claims = other_issuer.claims();
    let now = claims["iat"].as_i64().expect("iat is a number");
    let with = |name: &str, value: Value| {
        let mut changed = claims.clone();
        changed[name] = value;
        other_issuer.sign(&changed)
    };
    let without = |name: &str| {
        let mut changed = claims.clone();
        changed
            .as_object_mut()
            .expect("the claims are an object")
            .remove(name);
        other_issuer.sign(&changed)
    };
    let other_algorithm = match algorithm {
        Algorithm::RS256 => "ES256",
        Algorithm::ES256 | Algorithm::EdDSA => "RS256",
    };
    vec![
        ("expired", with("exp", json!(now - 60))),
        ("another audience", with("aud", json!("https://api.test.example"))),
        ("another issuer", with("iss", json!("https://auth.test/v1/auth/"))),
        ("no exp", without("exp")),
        ("no jti", without("jti")),
        ("no client_id", without("client_id")),
        (
            "typ rt+jwt",
            other_issuer.sign_with(&claims, &[("typ", "rt+jwt")]),
        ),
        ("typ JWT", other_issuer.sign_with(&claims, &[("typ", "JWT")])),
        (
            "unknown kid",
            other_issuer.sign_with(&claims, &[("kid", "unknown")]),
        ),
        (
            "alg of another kind",
            other_issuer.sign_with(&claims, &[("alg", other_algorithm)]),
        ),
    ]
}

type Settings = [(&'static str, String)];

/// The settings with which an example program trusts the sandbox.
fn settings_of(dev: &Dev) -> Vec<(&'static str, String)> {
    vec![
        ("TM_ISSUER", dev.issuer()),
        ("TM_AUDIENCE", dev.origin().to_owned()),
        ("TM_JWKS", format!("{}/.well-known/jwks.json", dev.issuer())),
    ]
}

/// The settings with one value changed.
fn with(settings: &Settings, name: &'static str, value: String) -> Vec<(&'static str, String)> {
    let others = settings.iter().filter(|(other, _)| *other != name).cloned();
    others.chain([(name, value)]).collect()
}

/// The settings in the form that [`Program::run`] takes.
fn borrowed(settings: &Settings) -> Vec<(&'static str, &str)> {
    settings
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect()
}

fn assert_accepts(program: &Program, settings: &Settings, token: &str) {
    let output = program.run(&borrowed(settings), &[], token);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{} refuses a valid token: {stderr}",
        program.name
    );
    let printed: Value = serde_json::from_slice(&output.stdout).expect("claims are printed as JSON");
    let payload = CompactJws::parse(token.trim())
        .expect("the token is a JWS")
        .payload;
    let claims: Value = serde_json::from_slice(&payload).expect("the payload has the claims");
    for name in ["sub", "uid", "sid", "exp", "scope", "client_id", "tm"] {
        assert_eq!(printed[name], claims[name], "{} on `{name}`", program.name);
    }
}

/// Also checks the message, since a crash is not a refusal.
fn assert_refuses(program: &Program, settings: &Settings, what: &str, token: &str) {
    let output = program.run(&borrowed(settings), &[], token);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        output.status.code(),
        Some(1),
        "{} on {what}: {stderr}",
        program.name
    );
    assert!(
        stderr.contains("refused: "),
        "{} on {what}: {stderr}",
        program.name
    );
    assert!(output.stdout.is_empty(), "{} on {what}", program.name);
}
