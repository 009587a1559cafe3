//! What each endpoint sends, and how each kind of response is handled.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use jiff::Timestamp;
use tm_auth_client::proto::{ErrorCode, RegisterApiKey, UpdateApiKey};
use tm_auth_client::{ApiError, Signer};

use crate::Fixture;

/// The log of the code under test, at every level.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn capture(&self) -> impl Drop + use<> {
        let log = self.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(move || log.clone())
            .finish();
        tracing::subscriber::set_default(subscriber)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

const KEY: &str = r#"{"key_id":"b1f0c2d4-6a1e-8c55-9d1f-2f1a0c3b4d5e","label":"bot","algorithm":"ES256",
    "fingerprint":"f","status":"active","scopes":["read"],"allowed_ips":["10.0.0.0/8"],
    "created_at":"2025-11-24T00:00:00Z","expires_at":null,"revoked_at":null,"last_used_at":null,"last_used_ip":null}"#;

#[tokio::test]
async fn tokens_are_minted_refreshed_and_revoked() {
    let fixture = Fixture::new().await;
    let api = fixture.issuer.api();
    let signer = Signer::generate().unwrap();
    let key_id = fixture.issuer.register(&signer);
    let now = tm_auth_client::Runtime::now(&*fixture.clock);
    let request = signer.mint_request(key_id, now).unwrap();
    let minted = api.mint(&request).await.unwrap();
    assert_eq!(minted.expires_in, now + Duration::from_hours(1));
    // The same signature again.
    let error = api.mint(&request).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::Replayed));
    assert_eq!(error.retry_after(), Some(Duration::from_secs(1)));
    let refreshed = api.refresh(&minted.refresh_token).await.unwrap();
    assert_ne!(refreshed.refresh_token, minted.refresh_token);
    api.revoke(&refreshed.refresh_token).await.unwrap();
    let error = api.refresh(&refreshed.refresh_token).await.unwrap_err();
    assert_eq!(error.code(), Some(ErrorCode::SessionEnded));
    assert_eq!(api.jwks().await.unwrap().keys.len(), 1);
    assert!(format!("{api:?}").contains("/v1/auth"));
}

#[tokio::test]
async fn keys_are_managed_with_the_given_token() {
    let fixture = Fixture::new().await;
    let api = fixture.issuer.api();
    let signer = Signer::generate().unwrap();
    let account = "00000000-0000-8000-8000-000000000001".parse().unwrap();
    let key_id = "b1f0c2d4-6a1e-8c55-9d1f-2f1a0c3b4d5e".parse().unwrap();
    let register = RegisterApiKey {
        label: "bot".to_owned(),
        public_key: signer.public_jwk(),
        proof: signer
            .registration_proof(api.base_url(), account, Timestamp::UNIX_EPOCH)
            .unwrap(),
        scopes: None,
        expires_at: Some(None),
        allowed_ips: vec![],
        pending: false,
    };
    let json = "application/json";
    fixture.issuer.answer_next(201, json, KEY);
    assert_eq!(api.register_api_key("T", &register).await.unwrap().key_id, key_id);
    fixture
        .issuer
        .answer_next(200, json, &format!(r#"{{"keys":[{KEY}]}}"#));
    assert_eq!(api.api_keys("T").await.unwrap().keys[0].label, "bot");
    fixture.issuer.answer_next(200, json, KEY);
    assert_eq!(api.api_key("T", key_id).await.unwrap().key_id, key_id);
    fixture.issuer.answer_next(200, json, KEY);
    let changes = UpdateApiKey {
        label: Some("other".to_owned()),
        ..UpdateApiKey::default()
    };
    api.update_api_key("T", key_id, &changes).await.unwrap();
    fixture.issuer.answer_next(204, json, "");
    api.revoke_api_key("T\n", key_id).await.unwrap();
    let own = format!(r#"{{"key":{KEY},"seen_ip":"10.0.0.1","server_time":"2025-11-24T00:00:00Z"}}"#);
    fixture.issuer.answer_next(200, json, &own);
    assert_eq!(
        api.own_api_key("T").await.unwrap().seen_ip.to_string(),
        "10.0.0.1"
    );
    let health = r#"{"status":"ok","environment":"uat","server_time":"2025-11-24T00:00:00Z","version":"1"}"#;
    fixture.issuer.answer_next(200, json, health);
    api.health().await.unwrap();

    let seen = fixture.issuer.seen();
    let calls: Vec<_> = seen
        .iter()
        .map(|seen| format!("{} {}", seen.method, seen.path.strip_prefix("/v1/auth").unwrap()))
        .collect();
    assert_eq!(
        calls,
        [
            "POST /api-keys",
            "GET /api-keys",
            "GET /api-keys/b1f0c2d4-6a1e-8c55-9d1f-2f1a0c3b4d5e",
            "PATCH /api-keys/b1f0c2d4-6a1e-8c55-9d1f-2f1a0c3b4d5e",
            "DELETE /api-keys/b1f0c2d4-6a1e-8c55-9d1f-2f1a0c3b4d5e",
            "GET /api-key",
            "GET /health",
        ]
    );
    assert!(
        seen[..6]
            .iter()
            .all(|seen| seen.authorization.as_deref() == Some("Bearer T"))
    );
    assert_eq!(seen[6].authorization, None);
    assert!(seen[0].body.contains(r#""expires_at":null"#), "{}", seen[0].body);
    assert_eq!(seen[3].body, r#"{"label":"other"}"#);
}

#[tokio::test]
async fn a_server_error_has_status_code_and_request_id() {
    let fixture = Fixture::new().await;
    let api = fixture.issuer.api();
    fixture.issuer.refuse_next(ErrorCode::TimestampOutOfRange);
    let error = api.refresh("r").await.unwrap_err();
    assert_eq!(
        (error.status(), error.request_id()),
        (Some(401), Some("request-1"))
    );
    let shown = error.to_string();
    assert!(
        shown.ends_with("(timestamp_out_of_range, request request-1)"),
        "{shown}"
    );
    let ApiError::Server(error) = error else {
        panic!("{error}")
    };
    let body = error.body.unwrap();
    assert_eq!(
        (body.code, body.retryable),
        (ErrorCode::TimestampOutOfRange, true)
    );
    assert_eq!(error.server_time, body.server_time);
}

#[tokio::test]
async fn an_unknown_code_of_a_newer_service_gives_its_message() {
    let fixture = Fixture::new().await;
    let body = r#"{"type":"unauthenticated","code":"moon_phase","message":"Not\u001b[31m today","request_id":"r1","retryable":false}"#;
    fixture.issuer.answer_next(401, "application/json", body);
    let error = fixture.issuer.api().refresh("r").await.unwrap_err();
    assert_eq!((error.code(), error.request_id()), (None, Some("r1")));
    assert_eq!(error.to_string(), "Not [31m today (status 401, request r1)");
}

#[tokio::test]
async fn an_error_page_of_a_proxy_is_reported_as_such() {
    let fixture = Fixture::new().await;
    fixture
        .issuer
        .answer_next(502, "text/html", "<html>Bad Gateway</html>");
    let error = fixture.issuer.api().refresh("r").await.unwrap_err();
    assert_eq!(
        (error.status(), error.code(), error.request_id()),
        (Some(502), None, Some("request-1"))
    );
    let shown = error.to_string();
    assert!(shown.contains("text/html") && shown.contains("proxy"), "{shown}");
    fixture
        .issuer
        .answer_next(400, "application/json", r#"{"message":""}"#);
    assert!(
        fixture
            .issuer
            .api()
            .refresh("r")
            .await
            .unwrap_err()
            .to_string()
            .contains("base URL")
    );
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let fixture = Fixture::new().await;
    fixture.issuer.answer_next(307, "text/plain", "");
    assert_eq!(
        fixture.issuer.api().refresh("r").await.unwrap_err().status(),
        Some(307)
    );
    assert_eq!(fixture.issuer.requests(), 1);
}

#[tokio::test]
async fn an_unreadable_success_is_an_error_that_shows_none_of_its_content() {
    let fixture = Fixture::new().await;
    let api = fixture.issuer.api();
    fixture.issuer.answer_next(
        200,
        "application/json",
        r#"{"access_token":"SECRET","expires_in":3600}"#,
    );
    let error = api.refresh("r").await.unwrap_err();
    assert!(matches!(error, ApiError::Unreadable { status: 200, .. }));
    assert_eq!(error.request_id(), Some("request-1"));
    assert!(!format!("{error} {error:?}").contains("SECRET"));
    fixture
        .issuer
        .answer_next(200, "application/json", &" ".repeat(1024 * 1024 + 1));
    let error = api.refresh("r").await.unwrap_err();
    assert!(error.to_string().contains("longer than"), "{error}");
}

#[tokio::test]
async fn the_revocation_list_is_returned_up_to_the_given_length() {
    let fixture = Fixture::new().await;
    let api = fixture.issuer.api();
    fixture.issuer.answer_next(200, "application/jwt", "a.b.c");
    assert_eq!(api.revocations(5).await.unwrap(), "a.b.c");
    fixture.issuer.answer_next(200, "application/jwt", "a.b.c");
    assert!(matches!(
        api.revocations(4).await,
        Err(ApiError::Unreadable { .. })
    ));
    assert!(fixture.issuer.seen()[0].path.ends_with("/v1/auth/revocations"));
}
