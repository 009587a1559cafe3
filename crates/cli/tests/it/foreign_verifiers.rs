//! Verifiers and clients in other languages against the real server: `examples/`.
//!
//! Per signature algorithm: every program accepts what the server minted and prints the claims that the
//! token has, and refuses each token that a resource server must refuse. What the server would never sign
//! comes from an issuer whose key the test holds; there too an ordinary token is accepted first, so that a
//! refusal means what it seems to mean.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tm_auth_proto::CompactJws;
use tm_auth_proto::compact;
use tm_auth_verifier::Algorithm;

use crate::foreign::Program;
use crate::harness::Dev;
use crate::issuer::ForeignIssuer;

/// The Rust example, which follows the revocation list too.
const RUST: &str = "verify-access-token";

#[tokio::test(flavor = "multi_thread")]
async fn rs256_tokens_hold_in_every_language_and_no_others_do() {
    every_language(Algorithm::RS256).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn es256_tokens_hold_in_every_language_and_no_others_do() {
    every_language(Algorithm::ES256).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn eddsa_tokens_hold_in_every_language_and_no_others_do() {
    every_language(Algorithm::EdDSA).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_clients_mint_and_refresh() {
    let dev = Dev::start(&[]);
    let key_file = dev.key_file();
    let settings = [("TM_AUTH_URL", dev.issuer())];
    let verifier = Program::of_workspace(RUST);
    for client in [
        Program::node(
            "mint-refresh in TypeScript",
            "examples/mint-refresh/typescript/dist/mint-refresh.js",
        ),
        Program::built("mint-refresh in Go", "examples/mint-refresh/go/mint-refresh"),
    ] {
        let output = client.run(&borrowed(&settings), &[key_file.to_str().expect("UTF-8")], "");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {told}", client.name);
        assert!(told.contains("minted, expires 20"), "{}: {told}", client.name);
        assert!(told.contains("refreshed, expires 20"), "{}: {told}", client.name);
        let token = String::from_utf8_lossy(&output.stdout);
        accepts(&verifier, &settings_of(&dev), &token);
        let output = client.run(&borrowed(&settings), &["/nowhere.json"], "");
        assert_eq!(output.status.code(), Some(1), "{}: no key file", client.name);
    }
}

async fn every_language(algorithm: Algorithm) {
    let dev = Dev::start(&[("TM_AUTH__TOKENS__ALGORITHM", algorithm.as_str())]);
    let minted = dev.mint().await;
    let header = CompactJws::parse(&minted.access_token).expect("a JWS").header;
    assert_eq!(header.alg, algorithm.as_str());
    let foreign = ForeignIssuer::start(algorithm).await;
    let settings = settings_of(&dev);
    for program in verifiers() {
        accepts(&program, &settings, &minted.access_token);
        for (what, token) in of_the_server(&minted.access_token, &minted.refresh_token, &foreign) {
            refuses(&program, &settings, what, &token);
        }
        let audience = with(&settings, "TM_AUDIENCE", dev.issuer());
        refuses(&program, &audience, "another audience", &minted.access_token);
        let issuer = with(&settings, "TM_ISSUER", format!("{}/", dev.issuer()));
        if program.name == RUST {
            // Never comes to the token: the revocation list that it gets is not that issuer's.
            let output = program.run(&borrowed(&issuer), &[], &minted.access_token);
            let told = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{told}");
            assert!(told.contains("is not the expected issuer"), "{told}");
        } else {
            refuses(&program, &issuer, "another issuer", &minted.access_token);
        }
        accepts(&program, &foreign.settings(), &foreign.sign(&foreign.claims()));
        for (what, token) in never_signed_here(&foreign, algorithm) {
            refuses(&program, &foreign.settings(), what, &token);
        }
    }
}

fn verifiers() -> Vec<Program> {
    let python = crate::foreign::workspace().join("examples/verify/python/verify.py");
    vec![
        Program::python("Python", &[python.to_str().expect("UTF-8")]),
        Program::node("TypeScript", "examples/verify/typescript/dist/verify.js"),
        Program::built("Go", "examples/verify/go/verify"),
        Program::java("Java", "examples/verify/java", "Verify"),
        Program::of_workspace(RUST),
    ]
}

/// What somebody with the server's tokens and an issuer of their own can make.
fn of_the_server(access: &str, refresh: &str, foreign: &ForeignIssuer) -> Vec<(&'static str, String)> {
    let jws = CompactJws::parse(access).expect("a JWS");
    let kid = jws.header.kid.clone().expect("a kid");
    let mut claims: Value = serde_json::from_slice(&jws.payload).expect("claims");
    let same_claims = foreign.sign(&claims);
    let same_kid = foreign.sign_with(&claims, &[("kid", &kid)]);
    claims["sub"] = json!("somebody@else.example");
    let (signed, signature) = access.rsplit_once('.').expect("three parts");
    let (header, payload) = signed.split_once('.').expect("three parts");
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

/// Rightly signed, and to be refused all the same.
fn never_signed_here(foreign: &ForeignIssuer, algorithm: Algorithm) -> Vec<(&'static str, String)> {
    let claims = foreign.claims();
    let now = claims["iat"].as_i64().expect("iat is a number");
    let with = |name: &str, value: Value| {
        let mut changed = claims.clone();
        changed[name] = value;
        foreign.sign(&changed)
    };
    let without = |name: &str| {
        let mut changed = claims.clone();
        changed.as_object_mut().expect("an object").remove(name);
        foreign.sign(&changed)
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
        ("typ rt+jwt", foreign.sign_with(&claims, &[("typ", "rt+jwt")])),
        ("typ JWT", foreign.sign_with(&claims, &[("typ", "JWT")])),
        ("unknown kid", foreign.sign_with(&claims, &[("kid", "nobody")])),
        (
            "alg of another kind",
            foreign.sign_with(&claims, &[("alg", other_algorithm)]),
        ),
    ]
}

type Settings = [(&'static str, String)];

fn settings_of(dev: &Dev) -> Vec<(&'static str, String)> {
    vec![
        ("TM_ISSUER", dev.issuer()),
        ("TM_AUDIENCE", dev.origin().to_owned()),
        ("TM_JWKS", format!("{}/.well-known/jwks.json", dev.issuer())),
    ]
}

fn with(settings: &Settings, name: &'static str, value: String) -> Vec<(&'static str, String)> {
    let others = settings.iter().filter(|(other, _)| *other != name).cloned();
    others.chain([(name, value)]).collect()
}

fn borrowed(settings: &Settings) -> Vec<(&'static str, &str)> {
    settings
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect()
}

fn accepts(program: &Program, settings: &Settings, token: &str) {
    let output = program.run(&borrowed(settings), &[], token);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{} refuses a token that holds: {told}",
        program.name
    );
    let printed: Value = serde_json::from_slice(&output.stdout).expect("claims are printed as JSON");
    let payload = CompactJws::parse(token.trim()).expect("a JWS").payload;
    let claims: Value = serde_json::from_slice(&payload).expect("claims");
    for name in ["sub", "uid", "sid", "exp", "scope", "client_id", "tm"] {
        assert_eq!(printed[name], claims[name], "{} on `{name}`", program.name);
    }
}

/// It says why, too: a program that fell over has not refused.
fn refuses(program: &Program, settings: &Settings, what: &str, token: &str) {
    let output = program.run(&borrowed(settings), &[], token);
    let told = String::from_utf8_lossy(&output.stderr);
    assert_eq!(
        output.status.code(),
        Some(1),
        "{} on {what}: {told}",
        program.name
    );
    assert!(told.contains("refused: "), "{} on {what}: {told}", program.name);
    assert!(output.stdout.is_empty(), "{} on {what}", program.name);
}
