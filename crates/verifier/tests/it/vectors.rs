//! Project Wycheproof's vectors for JWS and JWK through the signature layer.
//!
//! They lie in `$TM_VECTORS`, else in `shared/vectors` beside the repository. Where they are absent the
//! tests say so and pass, unless `TM_VECTORS_REQUIRED=1`.

use std::path::PathBuf;

use serde_json::{Value, json};
use tm_auth_proto::CompactJws;
use tm_auth_verifier::KeySet;

fn load(name: &str) -> Option<Value> {
    let folder = std::env::var_os("TM_VECTORS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors"),
        PathBuf::from,
    );
    let path = folder.join(name);
    match std::fs::read(&path) {
        Ok(text) => Some(serde_json::from_slice(&text).unwrap()),
        Err(error) => {
            let required = std::env::var("TM_VECTORS_REQUIRED").is_ok_and(|value| value == "1");
            assert!(!required, "{}: {error}", path.display());
            println!("skipped: {} is not there", path.display());
            None
        }
    }
}

/// Runs each vector; gives the numbers of those accepted, and of all.
fn run(document: &Value, key_set: impl Fn(&Value) -> Value) -> (Vec<u64>, usize) {
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
    let Some(document) = load("json_web_signature_test.json") else {
        return;
    };
    let (accepted, all) = run(&document, |jwk| json!({ "keys": [jwk] }));
    println!(
        "json_web_signature_test: {all} vectors, {} accepted, {} refused",
        accepted.len(),
        all - accepted.len()
    );
    // Every valid one of RS256 or ES256 under a key of that `alg`. The other valid ones are of HS256, PS256,
    // RS384 and their like, which are not permitted.
    let permitted = [18, 33, 259, 260, 261, 262, 263, 345, 349, 378];
    assert_eq!(accepted, permitted);
    assert_eq!(all, 401);
}

#[test]
fn b07_b08_wycheproof_keys() {
    let Some(document) = load("json_web_key_test.json") else {
        return;
    };
    let (accepted, all) = run(&document, Value::clone);
    println!(
        "json_web_key_test: {all} vectors, {} accepted, {} refused",
        accepted.len(),
        all - accepted.len()
    );
    assert_eq!(accepted, [5]);
    assert_eq!(all, 26);
}
