//! Every documented route with a JSON body, times every kind of wrong value: the error names the
//! field, what came, and what is wanted. The fields and their types are those of the document.

use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::support::{Answer, TestServer};

const JSON: &str = "application/json";
/// Stands in wrong values: no answer may repeat it.
const SECRET: &str = "SECRET-VALUE";

/// An operation of the document.
struct Route {
    method: Method,
    path: String,
    schema: String,
}

/// The operations that take a JSON body.
fn routes(document: &Value) -> Vec<Route> {
    let mut routes = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let schema = &operation["requestBody"]["content"][JSON]["schema"]["$ref"];
            if let Some(schema) = schema.as_str() {
                routes.push(Route {
                    method: method.to_uppercase().parse().unwrap(),
                    path: path.replace("{key_id}", "b1f0c2d4-6a1e-8c55-9d1f-2f1a0c3b4d5e"),
                    schema: schema.rsplit('/').next().unwrap().to_owned(),
                });
            }
        }
    }
    routes
}

/// A body of the right types for a schema, with all fields.
fn good(schema: &str) -> Value {
    let proof = json!({ "timestamp": 1, "signature": "s" });
    match schema {
        "ApiKeyTokenRequest" => json!({ "key_id": "k", "timestamp": 1, "signature": "s" }),
        "RefreshTokenRequest" => json!({ "refresh_token": "t" }),
        "EmailCodeRequest" => json!({ "email": "ada@example.com" }),
        "EmailCodeVerification" => json!({ "email": "ada@example.com", "code": "1", "audience": "auth" }),
        "RegistrationProof" => proof,
        "RegisterApiKey" => json!({ "label": "bot", "public_key": "k", "proof": proof, "scopes": ["read"],
            "expires_at": null, "allowed_ips": [], "pending": false }),
        "UpdateApiKey" => json!({ "label": "bot", "scopes": ["read"], "expires_at": null, "allowed_ips": [],
            "disabled": false }),
        other => panic!("write a body for {other}"),
    }
}

/// A value of each JSON type, with the name of the type in the document. The last ones are numbers
/// that no field takes.
fn values() -> [(&'static str, String); 9] {
    [
        ("null", "null".to_owned()),
        ("boolean", "true".to_owned()),
        ("integer", "7".to_owned()),
        ("string", format!("\"{SECRET}\"")),
        ("array", format!("[{{\"{SECRET}\":1}}]")),
        ("object", format!("{{\"a\":\"{SECRET}\"}}")),
        ("no number of JSON", "1.5".to_owned()),
        ("no number of JSON", "18446744073709551616".to_owned()),
        ("no number of JSON", "1e400".to_owned()),
    ]
}

/// Whether a schema allows a type.
fn allows(document: &Value, schema: &Value, kind: &str) -> bool {
    if let Some(reference) = schema["$ref"].as_str() {
        return allows(document, document.pointer(&reference[1..]).unwrap(), kind);
    }
    for alternatives in [&schema["oneOf"], &schema["anyOf"], &schema["allOf"]] {
        if let Some(alternatives) = alternatives.as_array() {
            return alternatives.iter().any(|one| allows(document, one, kind));
        }
    }
    match &schema["type"] {
        Value::Array(kinds) => kinds.iter().any(|one| one == kind),
        one => one == kind,
    }
}

/// The text of an object in which one member has this text.
fn with(members: &Map<String, Value>, name: &str, text: Option<&str>) -> String {
    let members = members.iter().filter_map(|(member, value)| {
        if member == name {
            text.map(|text| format!("\"{member}\":{text}"))
        } else {
            Some(format!("\"{member}\":{value}"))
        }
    });
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

struct Table {
    server: TestServer,
    token: String,
    document: Value,
    checked: usize,
}

impl Table {
    async fn send(&self, route: &Route, headers: &[(&str, &str)], body: impl Into<reqwest::Body>) -> Answer {
        let url = self.server.url(&route.path);
        let mut request = self.server.http.request(route.method.clone(), url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.bearer_auth(&self.token).body(body);
        Answer::of(request.send().await.unwrap()).await
    }

    /// The body is refused because of this field.
    async fn assert_explained(&mut self, route: &Route, body: impl Into<Vec<u8>>, field: &str) {
        let body = body.into();
        let sent = String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned();
        let answer = self.send(route, &[("content-type", JSON)], body).await;
        let place = format!("{} {sent}: {answer:?}", route.path);
        assert_eq!((answer.status, answer.code()), (400, "invalid_request"), "{place}");
        answer.assert_error(400, "invalid_request");
        let violation = &answer.body["field_violations"][0];
        let named = violation["field"].as_str().unwrap();
        assert!(
            named == field || named.strip_prefix(field).is_some_and(|rest| rest.starts_with(['.', '['])),
            "{field}: {place}"
        );
        let message = violation["message"].as_str().unwrap();
        assert!(message.contains("; send ") || message.contains("must be"), "{place}");
        assert!(message.len() < 200 && !answer.text.contains(SECRET), "{place}");
        assert_eq!(answer.body["message"], format!("{named}: {message}"));
        for foreign in ["i64", "struct", "variant", "untagged", "EOF\"", "\"?\""] {
            assert!(!message.contains(foreign), "{place}");
        }
        self.checked += 1;
    }

    /// Every field of an object, with every wrong value. `outer` puts the object into the body.
    async fn check_fields(&mut self, route: &Route, schema: &str, prefix: &str, outer: impl Fn(&str) -> String) {
        let schema_of = self.document["components"]["schemas"][schema].clone();
        let good = good(schema);
        let members = good.as_object().unwrap();
        let properties = schema_of["properties"].as_object().unwrap();
        assert_eq!(
            members.keys().collect::<std::collections::BTreeSet<_>>(),
            properties.keys().collect(),
            "{schema}"
        );
        for (name, property) in properties {
            let field = format!("{prefix}{name}");
            for (kind, value) in values() {
                if !allows(&self.document, property, kind) {
                    let body = outer(&with(members, name, Some(&value)));
                    self.assert_explained(route, body, &field).await;
                }
            }
            let twice = format!("{0},\"{name}\":{0}", members[name]);
            let body = outer(&with(members, name, Some(&twice)));
            self.assert_explained(route, body, &field).await;
            let required = schema_of["required"].as_array();
            if required.is_some_and(|required| required.contains(&json!(name))) {
                let body = outer(&with(members, name, None));
                self.assert_explained(route, body, &field).await;
            }
            if !allows(&self.document, property, "string") {
                let huge = format!("\"{}\"", "x".repeat(12_000));
                let body = outer(&with(members, name, Some(&huge)));
                self.assert_explained(route, body, &field).await;
            }
        }
        if schema_of["additionalProperties"] == json!(false) {
            let text = good.to_string();
            let body = outer(&format!("{{\"more\":1,{}", &text[1..]));
            self.assert_explained(route, body, &format!("{prefix}more")).await;
        }
    }

    async fn check_bodies(&mut self, route: &Route) {
        let text = good(&route.schema).to_string();
        let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let bodies: [Vec<u8>; 14] = [
            Vec::new(),
            b" \r\n".to_vec(),
            b"null".to_vec(),
            b"7".to_vec(),
            format!("\"{SECRET}\"").into_bytes(),
            format!("[\"{SECRET}\"]").into_bytes(),
            b"{'".to_vec(),
            b"{".to_vec(),
            b"key_id=1&timestamp=2".to_vec(),
            format!("{text}{text}").into_bytes(),
            format!("{text} {SECRET}").into_bytes(),
            "[".repeat(10_000).into_bytes(),
            utf16,
            b"{\"\xe9\":1}".to_vec(),
        ];
        for body in bodies {
            self.assert_explained(route, body, "body").await;
        }
        for (headers, named) in [
            (vec![], "no content-type"),
            (vec![("content-type", "text/plain")], "`text/plain`"),
            (
                vec![("content-type", "application/x-www-form-urlencoded")],
                "form-urlencoded`",
            ),
            (
                vec![("content-type", "application/json; charset=latin1")],
                "charset=latin1`",
            ),
            (
                vec![("content-type", JSON), ("content-encoding", "gzip")],
                "`gzip`",
            ),
        ] {
            let answer = self.send(route, &headers, text.clone()).await;
            answer.assert_error(415, "unsupported_media_type");
            let message = answer.body["message"].as_str().unwrap();
            assert!(message.contains(named) && message.contains("; send "), "{answer:?}");
            self.checked += 1;
        }
    }
}

#[tokio::test]
async fn r60_every_wrong_body_of_every_route_is_explained() {
    let server = TestServer::start_with(|config| {
        let limits = &mut config.limits;
        limits.requests_per_network_per_minute = 60_000;
        limits.requests_per_account_per_minute = 60_000;
        limits.failures_per_network_per_minute = 60_000;
        limits.changes_per_account_per_minute = 60_000;
    })
    .await;
    let token = server.management_token(&server.account().await).await;
    let mut table = Table {
        server,
        token,
        document: serde_json::to_value(tm_auth_server::openapi::document()).unwrap(),
        checked: 0,
    };
    let routes = routes(&table.document);
    assert_eq!(routes.len(), 8);
    for route in &routes {
        table.check_bodies(route).await;
        table.check_fields(route, &route.schema, "", ToOwned::to_owned).await;
        if route.schema == "RegisterApiKey" {
            let good = good(&route.schema);
            let outer = |proof: &str| with(good.as_object().unwrap(), "proof", Some(proof));
            table.check_fields(route, "RegistrationProof", "proof.", outer).await;
        }
    }
    assert!(table.checked > 300, "{}", table.checked);
}
