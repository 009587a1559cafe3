//! `openapi/auth-v1.yaml` and `GET /openapi.yaml` match the code.

use crate::support::TestServer;

/// Relative to this package.
const FILE: &str = "../../openapi/auth-v1.yaml";

#[test]
fn the_file_matches_the_code() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(FILE);
    let document = tm_auth_server::openapi::yaml();
    if std::env::var_os("UPDATE_OPENAPI").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &document).unwrap();
    }
    let file = std::fs::read_to_string(&path).unwrap_or_default();
    let differs = file
        .lines()
        .zip(document.lines())
        .position(|(there, here)| there != here);
    assert!(
        file == document,
        "openapi/auth-v1.yaml differs from the code, from line {} on. Review the change, then update it with \
         UPDATE_OPENAPI=1 cargo test --release -p tm-auth-server --test sqlite openapi",
        differs.unwrap_or_else(|| file.lines().count().min(document.lines().count())) + 1,
    );
}

#[tokio::test]
async fn the_document_is_served_without_authentication() {
    let server = TestServer::start().await;
    let answer = server.get("/openapi.yaml").await;
    assert_eq!(
        (answer.status, answer.header("content-type")),
        (200, "application/yaml")
    );
    assert_eq!(answer.header("cache-control"), "public, max-age=300");
    assert_eq!(answer.text, tm_auth_server::openapi::yaml());
}

/// The service knows every path of the document with each of its methods.
#[tokio::test]
async fn every_operation_is_routed() {
    let server = TestServer::start().await;
    let document = serde_json::to_value(tm_auth_server::openapi::document()).unwrap();
    let mut operations = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        for method in methods
            .as_object()
            .unwrap()
            .keys()
            .filter(|method| *method != "parameters")
        {
            let method: reqwest::Method = method.to_uppercase().parse().unwrap();
            let url = server.url(&path.replace("{key_id}", "x").replace("{sid}", "x"));
            let answer = server
                .http
                .request(method, url)
                .send()
                .await
                .unwrap()
                .status()
                .as_u16();
            assert!([200, 401, 415].contains(&answer), "{path}: {answer}");
            operations += 1;
        }
    }
    assert_eq!(operations, 20);
}
