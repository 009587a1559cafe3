//! Searches the log, metrics and error bodies for every secret that a test used.
//!
//! The test captures the log of the whole process at every level, since other threads, such as the
//! database's writer, log too. It therefore also searches the lines of other tests.

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;

use crate::captured_log::whole_log;
use crate::support::{Answer, TestKey, TestServer, jwt, port};

/// The secrets to search for, each with a description.
#[derive(Default)]
struct Secrets(Vec<(&'static str, String)>);

impl Secrets {
    fn add(&mut self, what: &'static str, secret: &str) {
        assert!(secret.len() >= 16, "{what} would be found by chance");
        self.0.push((what, secret.to_owned()));
    }

    /// Adds a token, its payload, its signature and the secret in its payload.
    fn add_token(&mut self, what: &'static str, token: &str) {
        self.add(what, token);
        for part in token.split('.').skip(1) {
            self.add(what, part);
        }
        if let Some(secret) = jwt::payload(token)["sec"].as_str() {
            self.add("a session's secret", secret);
        }
    }

    fn add_tokens(&mut self, answer: &Answer) {
        self.add_token("an access token", &answer.access_token());
        self.add_token("a refresh token", &answer.refresh_token());
    }

    fn assert_absent(&self, place: &str, text: &str) {
        for (what, secret) in &self.0 {
            assert!(!text.contains(secret), "{what} in {place}");
        }
    }
}

#[tokio::test]
async fn i10_no_secret_reaches_log_metrics_or_error_bodies() {
    whole_log();
    let metrics = port();
    let server = TestServer::start_with(|config| {
        config.metrics.listen = Some(([127, 0, 0, 1], metrics).into());
    })
    .await;
    let mut secrets = Secrets::default();
    let mut refusals = Vec::new();
    let kek = server.config.keys.kek.expose();
    secrets.add("the key-encryption key", &STANDARD.encode(kek));
    secrets.add("the key-encryption key", &format!("{kek:?}"));

    // Registrations, some refused, for example with a pasted private key.
    let account = server.account().await;
    let key = TestKey::unregistered(&account);
    let management = server.management_token(&account).await;
    secrets.add_token("a management token", &management);
    let private = key.signer.private_jwk().unwrap();
    secrets.add("a private key", &private.d);
    let scalar = URL_SAFE_NO_PAD.decode(&private.d).unwrap();
    secrets.add("a private key", &STANDARD.encode(&scalar));
    secrets.add("a private key", &format!("{scalar:?}"));
    let body = key.registration(server.issuer(), server.now());
    secrets.add("a proof", body["proof"]["signature"].as_str().unwrap());
    let register = |body: serde_json::Value| {
        let request = server.http.post(server.url("/api-keys")).bearer_auth(&management);
        async move { Answer::of(request.json(&body).send().await.unwrap()).await }
    };
    let mut pasted = body.clone();
    pasted["public_key"] = serde_json::to_value(&private).unwrap();
    refusals.push(register(pasted).await);
    let mut whole_file = body.clone();
    whole_file["public_key"] =
        serde_json::to_value(key.signer.key_file("bot", server.now()).unwrap()).unwrap();
    refusals.push(register(whole_file).await);
    let mut unproved = body.clone();
    unproved["proof"]["signature"] = key.sign("something else").into();
    refusals.push(register(unproved).await);
    let registered = register(body.clone()).await;
    assert_eq!(registered.status, 201, "{registered:?}");
    refusals.push(register(body).await);
    let key = key.registered(registered.body["key_id"].as_str().unwrap().parse().unwrap());

    // Token requests, most of them refused.
    let challenge = key.challenge(server.now());
    let signature = challenge["signature"].as_str().unwrap().to_owned();
    secrets.add("a signature", &signature);
    let minted = server.post("/api-key/token", &challenge).await;
    secrets.add_tokens(&minted);
    refusals.push(server.post("/api-key/token", &challenge).await);
    for (field, value) in [
        ("timestamp", json!(1)),
        ("timestamp", json!(signature)),
        ("key_id", json!(signature)),
        ("key_id", json!(uuid::Uuid::nil())),
        ("signature", json!(format!("{signature}{signature}"))),
        ("signature", json!([signature])),
    ] {
        let mut wrong = challenge.clone();
        wrong[field] = value;
        refusals.push(server.post("/api-key/token", &wrong).await);
    }
    let truncated = challenge.to_string();
    let truncated = truncated[..truncated.len() - 1].to_owned();
    refusals.push(
        server
            .post_raw("/api-key/token", "application/json", truncated)
            .await,
    );

    // Refresh tokens: used, retried, reused, truncated, and sent to a wrong endpoint or field.
    let first = minted.refresh_token();
    let second = server.refresh(&first).await;
    secrets.add_tokens(&second);
    let repeated = server.refresh(&first).await;
    secrets.add_tokens(&repeated);
    refusals.push(server.refresh(&first[..first.len() - 1]).await);
    refusals.push(server.refresh(&minted.access_token()).await);
    refusals.push(server.get_with("/api-key", &first).await);
    refusals.push(server.get_with("/api-keys", &minted.access_token()).await);
    refusals.push(server.get(&format!("/token/refresh?refresh_token={first}")).await);
    refusals.push(server.get(&format!("/{first}")).await);
    refusals.push(
        server
            .post("/token/refresh", &json!({ "refresh_token": { &first: &first } }))
            .await,
    );
    refusals.push(server.post("/token/refresh", &json!({ &first: first })).await);
    server.advance(91);
    secrets.add_tokens(&server.refresh(&second.refresh_token()).await);
    server.advance(91);
    refusals.push(server.refresh(&first).await);
    let other = server.mint(&key).await;
    secrets.add_token("a refresh token", &other.refresh_token);
    server
        .post("/token/revoke", &json!({ "refresh_token": other.refresh_token }))
        .await;
    refusals.push(server.refresh(&other.refresh_token).await);

    for answer in &refusals {
        assert!((400..500).contains(&answer.status), "{answer:?}");
        secrets.assert_absent("an error body", &answer.text);
    }
    let log = whole_log();
    for answer in refusals.iter().chain([&minted, &second]) {
        assert!(
            log.contains(answer.header("x-request-id")),
            "each request is in the log"
        );
    }
    secrets.assert_absent("the log", &log);

    let page = server.http.get(format!("http://127.0.0.1:{metrics}/metrics"));
    let page = page.send().await.unwrap().text().await.unwrap();
    assert!(
        page.contains("tm_auth_requests_total") && page.contains("refresh_reused"),
        "{page}"
    );
    secrets.assert_absent("the metrics", &page);
    let session = jwt::payload(&first)["sid"].as_str().unwrap().to_owned();
    for id in [key.id().to_string(), account.uid.to_string(), session] {
        assert!(!page.contains(&id), "{id} is a label");
    }
    // No label contains any other id, an IP address, an e-mail address, or an id from a path.
    let uuid = page
        .split(['"', '/'])
        .find(|part| part.parse::<uuid::Uuid>().is_ok());
    assert_eq!(
        (uuid, page.contains("127.0.0.1"), page.contains('@')),
        (None, false, false)
    );
    println!(
        "searched for {} secrets in {} bytes of log and {} bytes of metrics",
        secrets.0.len(),
        log.len(),
        page.len()
    );
}
