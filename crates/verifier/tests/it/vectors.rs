//! Runs Project Wycheproof's vectors for JWS and JWK through the signature layer.
//!
//! `crates/verifier/tests/vectors` holds the files.

use serde_json::{Value, json};
use tm_auth_proto::CompactJws;
use tm_auth_verifier::KeySet;

const SIGNATURES: &str = include_str!("../vectors/json_web_signature_test.json");
const KEYS: &str = include_str!("../vectors/json_web_key_test.json");

/// Runs each vector. Returns the ids of the accepted vectors, and how many vectors there are.
fn run(document: &str, key_set: impl Fn(&Value) -> Value) -> (Vec<u64>, usize) {
    let document: Value = serde_json::from_str(document).unwrap();
    let (mut accepted, mut all) = (Vec::new(), 0);
    for group in document["testGroups"].as_array().unwrap() {
        let public = group.get("public").unwrap_or(&group["private"]);
        let keys = KeySet::from_json(key_set(public).to_string().as_bytes()).unwrap();
        for test in group["tests"].as_array().unwrap() {
            all += 1;
            let token = match &test["jws"] {
                Value::String(compact) => compact.clone(),
                other => other.to_string(),
            };
            let verified = CompactJws::parse(&token).is_ok_and(|jws| keys.verify_signature(&jws).is_ok());
            if verified {
                assert_eq!(test["result"], "valid", "{} {}", test["tcId"], test["comment"]);
                accepted.push(test["tcId"].as_u64().unwrap());
            }
        }
    }
    (accepted, all)
}

#[test]
fn a01_a02_a03_a05_a17_wycheproof_signatures() {
    let (accepted, all) = run(SIGNATURES, |jwk| json!({ "keys": [jwk] }));
    println!(
        "json_web_signature_test: {all} vectors, {} accepted, {} refused",
        accepted.len(),
        all - accepted.len()
    );
    // The valid RS256 and ES256 vectors whose key names that `alg`. The other valid vectors use
    // algorithms that are not permitted, such as HS256, PS256 and RS384.
    let permitted = [18, 33, 259, 260, 261, 262, 263, 345, 349, 378];
    assert_eq!(accepted, permitted);
    assert_eq!(all, 401);
}

#[test]
fn b07_b08_wycheproof_keys() {
    let (accepted, all) = run(KEYS, Value::clone);
    println!(
        "json_web_key_test: {all} vectors, {} accepted, {} refused",
        accepted.len(),
        all - accepted.len()
    );
    assert_eq!(accepted, [5]);
    assert_eq!(all, 26);
}
