//! `tm-auth login`, and the commands that use its session.

use std::os::unix::fs::PermissionsExt;

use jiff::SignedDuration;
use serde_json::{Value, json};
use tm_auth_client::proto::ErrorCode;

use super::{Fixture, text};
use crate::client::failure::Exit;

impl Fixture {
    /// Makes the test server accept a request for a code, and then the code.
    async fn answer_a_login(&self) -> String {
        let token = self.management_token().await;
        self.issuer.answer_next(200, "application/json", "{}");
        self.answer_with_tokens(token)
    }

    /// Makes the test server answer the next request with tokens.
    fn answer_with_tokens(&self, token: String) -> String {
        let life = SignedDuration::from_mins(5);
        let body = json!({
            "access_token": token, "refresh_token": "the refresh token",
            "expires_in": self.clock_now() + life, "token_type": "Bearer",
        });
        self.issuer
            .answer_next(200, "application/json", &body.to_string());
        token
    }

    fn clock_now(&self) -> jiff::Timestamp {
        use tm_auth_client::Runtime;
        self.clock.now()
    }

    /// Runs `tm-auth login` with this session file and input.
    async fn login(&self, session: &str, input: &str) -> super::RunOutput {
        let url = self.issuer.url().to_owned();
        self.run(&["login", "--base-url", &url, "--session-file", session], input)
            .await
    }

    /// The bodies of the requests to a path.
    fn bodies(&self, path: &str) -> Vec<Value> {
        let seen = self.issuer.seen().into_iter();
        seen.filter(|seen| seen.path.ends_with(path))
            .map(|seen| serde_json::from_str(&seen.body).unwrap())
            .collect()
    }
}

#[tokio::test]
async fn login_mails_a_code_asks_for_it_and_saves_the_session_for_its_owner_only() {
    let fixture = Fixture::new().await;
    let path = fixture.path("new/folder/session.json");
    let token = fixture.answer_a_login().await;
    let ran = fixture.login(text(&path), "ada@example.com\n 1234 5678 \n").await;
    assert_eq!(ran.result, Ok(()));
    assert_eq!(
        fixture.bodies("/email/otc"),
        [json!({ "email": "ada@example.com" })]
    );
    let verification = json!({ "email": "ada@example.com", "code": "1234 5678", "audience": "auth" });
    assert_eq!(fixture.bodies("/email/otc/verify"), [verification]);
    assert_eq!(
        ran.output,
        format!("logged_in: ada@example.com\nsession_file: {}\n", path.display())
    );
    assert!(!format!("{ran:?}").contains(&token));
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let folder = std::fs::read_dir(path.parent().unwrap()).unwrap();
    assert_eq!(folder.count(), 1, "nothing else is left behind");
}

#[tokio::test]
async fn login_with_a_code_requests_no_other_code() {
    let fixture = Fixture::new().await;
    let (path, url) = (fixture.path("session.json"), fixture.issuer.url().to_owned());
    fixture.answer_with_tokens(fixture.management_token().await);
    let arguments = [
        "login",
        "--base-url",
        &url,
        "--session-file",
        text(&path),
        "--email",
        "ada@example.com",
        "--code",
        "12345678",
    ];
    assert_eq!(fixture.run(&arguments, "").await.result, Ok(()));
    assert!(fixture.bodies("/email/otc").is_empty());
}

#[tokio::test]
async fn a_wrong_code_keeps_the_last_session() {
    let fixture = Fixture::new().await;
    let path = fixture.path("session.json");
    std::fs::write(&path, "the last one").unwrap();
    fixture.issuer.answer_next(200, "application/json", "{}");
    fixture.issuer.refuse_next(ErrorCode::InvalidCode);
    let ran = fixture.login(text(&path), "ada@example.com\n00000000\n").await;
    assert_eq!(ran.exit(), Some(Exit::Refused));
    assert!(ran.notes.contains("invalid_code"), "{ran:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "the last one");
    // Without a code on standard input nothing is verified.
    fixture.issuer.answer_next(200, "application/json", "{}");
    let ran = fixture.login(text(&path), "ada@example.com\n").await;
    assert_eq!(ran.exit(), Some(Exit::Usage));
}

#[tokio::test]
async fn key_commands_use_the_session_and_refresh_its_token_when_it_expires() {
    let fixture = Fixture::new().await;
    let (path, url) = (fixture.path("session.json"), fixture.issuer.url().to_owned());
    let list = ["key", "list", "--base-url", &url, "--session-file", text(&path)];
    let ran = fixture.run(&list, "").await;
    assert_eq!(ran.exit(), Some(Exit::Usage));
    assert!(ran.notes.contains("tm-auth login"), "{ran:?}");

    let token = fixture.answer_a_login().await;
    assert_eq!(
        fixture
            .login(text(&path), "ada@example.com\n12345678\n")
            .await
            .result,
        Ok(())
    );
    let no_keys = || {
        fixture
            .issuer
            .answer_next(200, "application/json", r#"{"keys":[]}"#);
    };
    no_keys();
    assert_eq!(fixture.run(&list, "").await.result, Ok(()));
    let authorization = |fixture: &Fixture| fixture.issuer.seen().last().unwrap().authorization.clone();
    assert_eq!(authorization(&fixture), Some(format!("Bearer {token}")));

    fixture.clock.advance(std::time::Duration::from_secs(295));
    let newer = fixture.answer_with_tokens(fixture.management_token().await);
    no_keys();
    assert_eq!(fixture.run(&list, "").await.result, Ok(()));
    assert_eq!(
        fixture.bodies("/token/refresh"),
        [json!({ "refresh_token": "the refresh token" })]
    );
    assert_eq!(authorization(&fixture), Some(format!("Bearer {newer}")));
    // The newer token was saved, so it is not refreshed again.
    no_keys();
    assert_eq!(fixture.run(&list, "").await.result, Ok(()));
    assert_eq!(fixture.bodies("/token/refresh").len(), 1);

    // An expired session has a hint, and the token of another service is not sent to this one.
    fixture.clock.advance(std::time::Duration::from_mins(10));
    fixture.issuer.refuse_next(ErrorCode::SessionExpired);
    let ran = fixture.run(&list, "").await;
    assert_eq!(ran.exit(), Some(Exit::Refused));
    assert!(ran.notes.contains("tm-auth login"), "{ran:?}");
    let elsewhere = [
        "key",
        "list",
        "--base-url",
        "http://localhost:1",
        "--session-file",
        text(&path),
    ];
    let ran = fixture.run(&elsewhere, "").await;
    assert_eq!(ran.exit(), Some(Exit::Usage));
    assert!(ran.notes.contains("the last login was at"), "{ran:?}");
}

#[tokio::test]
async fn an_account_with_a_passkey_gets_a_hint_to_the_api_keys_page() {
    let fixture = Fixture::new().await;
    let (path, key, url) = (
        fixture.path("session.json"),
        fixture.path("key.json"),
        fixture.issuer.url().to_owned(),
    );
    fixture.answer_a_login().await;
    assert_eq!(
        fixture
            .login(text(&path), "ada@example.com\n12345678\n")
            .await
            .result,
        Ok(())
    );
    assert_eq!(
        fixture.run(&["key", "new", "--out", text(&key)], "").await.result,
        Ok(())
    );
    fixture.issuer.refuse_next(ErrorCode::ReauthRequired);
    let register = [
        "key",
        "register",
        "--base-url",
        &url,
        "--session-file",
        text(&path),
        "--key-file",
        text(&key),
    ];
    let ran = fixture.run(&register, "").await;
    assert_eq!(ran.exit(), Some(Exit::Refused));
    assert!(ran.notes.contains(&format!("{url}/api-keys")), "{ran:?}");
}
