//! `POST /email/otc` and `POST /email/otc/verify`.

mod ask;
mod flood;
mod guess;
mod send;
mod verify;

use std::net::IpAddr;

use serde_json::json;

use crate::support::{Answer, TestServer};

const ADA: &str = "ada@example.com";

async fn ask(server: &TestServer, email: &str) -> Answer {
    server.post("/email/otc", &json!({ "email": email })).await
}

async fn verify(server: &TestServer, email: &str, code: &str) -> Answer {
    server
        .post("/email/otc/verify", &json!({ "email": email, "code": code }))
        .await
}

/// Posts from this loopback address, which the limits treat as a network of its own.
async fn post_from(server: &TestServer, address: &str, path: &str, body: serde_json::Value) -> Answer {
    let http = client_from(address);
    Answer::of(http.post(server.url(path)).json(&body).send().await.unwrap()).await
}

/// A client that connects from this loopback address. To build one takes tens of milliseconds, so a
/// test with many requests at once shares it: otherwise the server closes the first connections
/// before they send anything.
fn client_from(address: &str) -> reqwest::Client {
    reqwest::Client::builder()
        .no_proxy()
        .local_address(address.parse::<IpAddr>().unwrap())
        .build()
        .unwrap()
}

async fn ask_from(server: &TestServer, address: &str, email: &str) -> Answer {
    post_from(server, address, "/email/otc", json!({ "email": email })).await
}

async fn verify_from(server: &TestServer, address: &str, email: &str, code: &str) -> Answer {
    let body = json!({ "email": email, "code": code });
    post_from(server, address, "/email/otc/verify", body).await
}

/// A wrong code with as many digits.
fn other_than(code: &str) -> String {
    let digit = |c: char| {
        c.to_digit(10)
            .map(|digit| char::from_digit((digit + 1) % 10, 10).unwrap())
    };
    code.chars().map(|c| digit(c).unwrap_or(c)).collect()
}
