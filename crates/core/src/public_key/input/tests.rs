use serde_json::{Value, json};
use tm_auth_proto::PublicKeyInput;

use crate::{PublicKey, Refusal};

fn parse(text: &str) -> Result<PublicKey, Refusal> {
    PublicKey::parse(&PublicKeyInput::Text(text.to_owned()))
}

/// The key of RFC 6979 appendix A.2.5 in each form. It is a published key, so a public key that is
/// understood is refused as known.
#[test]
fn r53_r54_keys_are_understood_in_each_form_and_private_ones_are_named() {
    let cases: Vec<Value> = serde_json::from_str(include_str!("pasted.json")).unwrap();
    assert!(cases.len() > 90);
    for case in cases {
        let parsed = parse(case["text"].as_str().unwrap());
        match case["private"].as_str() {
            Some(form) => {
                let Err(Refusal::PrivateKeySubmitted(named)) = parsed else {
                    panic!("{}: {parsed:?}", case["name"])
                };
                assert_eq!(named, form, "{}", case["name"]);
            }
            None => assert_eq!(parsed, Err(Refusal::KnownPrivateKey), "{}", case["name"]),
        }
    }
}

#[test]
fn r54_private_members_are_found_at_any_depth_of_a_jwk() {
    for private in [
        json!({ "keys": [{ "kty": "EC", "d": "AA" }] }),
        json!({ "kty": "EC", "more": { "private_key": {} } }),
        json!({ "kty": "EC", "pem": "-----BEGIN PRIVATE KEY-----" }),
    ] {
        let Value::Object(members) = private else { panic!() };
        let parsed = PublicKey::parse(&PublicKeyInput::Jwk(members));
        assert!(
            matches!(parsed, Err(Refusal::PrivateKeySubmitted(_))),
            "{parsed:?}"
        );
    }
}

#[test]
fn r53_a_key_id_of_a_jwk_may_have_any_words() {
    let jwk = json!({ "kty": "EC", "crv": "P-256", "kid": "bot-private-key, d: 12345678",
        "x": "YP7UuiVanTHJYet0xjVtaMBJuJI7Yfps5mliLmDyn7Y", "y": "eQP-EAi4vJmkGunpVii8ZPLxsgwtfp9Rd6PClNRGIpk" });
    assert_eq!(parse(&jwk.to_string()), Err(Refusal::KnownPrivateKey));
    let Value::Object(members) = jwk else { panic!() };
    let parsed = PublicKey::parse(&PublicKeyInput::Jwk(members));
    assert_eq!(parsed, Err(Refusal::KnownPrivateKey));
}

#[test]
fn r53_what_is_no_p256_key_is_refused_by_name() {
    for (text, named) in [
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ9 a@b", "SSH"),
        ("ecdsa-sha2-nistp384 AAAA", "SSH"),
        ("sk-ecdsa-sha2-nistp256@openssh.com AAAA", "SSH"),
        ("ecdsa-sha2-nistp256", "complete"),
        ("ecdsa-sha2-nistp256 AAAA", "complete"),
        (
            "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
            "certificate",
        ),
        ("pub:\n", "P-256"),
        ("key of the bot", "PEM"),
        ("[]", "PEM"),
        (",", "is empty"),
        ("", "is empty"),
    ] {
        let Err(Refusal::InvalidPublicKey(problem)) = parse(text) else {
            panic!("{text}")
        };
        assert!(problem.contains(named), "{text}: {problem}");
    }
}
