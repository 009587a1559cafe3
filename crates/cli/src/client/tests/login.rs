//! `tm-auth login`, and the commands that go on from it.

use std::os::unix::fs::PermissionsExt;

use jiff::SignedDuration;
use serde_json::{Value, json};
use tm_auth_client::proto::ErrorCode;

use super::{Bench, text};
use crate::client::failure::Exit;

impl Bench {
    /// The service mails a code, and gives tokens for it.
    async fn answer_a_login(&self) -> String {
        let token = self.management_token().await;
        self.issuer.answer_next(200, "application/json", "{}");
        self.answer_with_tokens(token)
    }

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

    async fn login(&self, session: &str, input: &str) -> super::Ran {
        let url = self.issuer.url().to_owned();
        self.run(&["login", "--base-url", &url, "--session-file", session], input)
            .await
    }

    fn bodies(&self, path: &str) -> Vec<Value> {
        let seen = self.issuer.seen().into_iter();
        seen.filter(|seen| seen.path.ends_with(path))
            .map(|seen| serde_json::from_str(&seen.body).unwrap())
            .collect()
    }
}

#[tokio::test]
async fn login_mails_a_code_asks_for_it_and_keeps_the_sign_in_for_its_owner_only() {
    let bench = Bench::new().await;
    let path = bench.path("new/folder/session.json");
    let token = bench.answer_a_login().await;
    let ran = bench.login(text(&path), "ada@example.com\n 1234 5678 \n").await;
    assert_eq!(ran.result, Ok(()));
    assert_eq!(
        bench.bodies("/email/otc"),
        [json!({ "email": "ada@example.com" })]
    );
    let verification = json!({ "email": "ada@example.com", "code": "1234 5678", "audience": "auth" });
    assert_eq!(bench.bodies("/email/otc/verify"), [verification]);
    assert_eq!(
        ran.output,
        format!("signed_in: ada@example.com\nsession_file: {}\n", path.display())
    );
    assert!(!format!("{ran:?}").contains(&token));
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let folder = std::fs::read_dir(path.parent().unwrap()).unwrap();
    assert_eq!(folder.count(), 1, "nothing else is left behind");
}

#[tokio::test]
async fn login_with_a_code_asks_for_no_other_one() {
    let bench = Bench::new().await;
    let (path, url) = (bench.path("session.json"), bench.issuer.url().to_owned());
    bench.answer_with_tokens(bench.management_token().await);
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
    assert_eq!(bench.run(&arguments, "").await.result, Ok(()));
    assert!(bench.bodies("/email/otc").is_empty());
}

#[tokio::test]
async fn a_wrong_code_leaves_the_last_sign_in_alone() {
    let bench = Bench::new().await;
    let path = bench.path("session.json");
    std::fs::write(&path, "the last one").unwrap();
    bench.issuer.answer_next(200, "application/json", "{}");
    bench.issuer.refuse_next(ErrorCode::InvalidCode);
    let ran = bench.login(text(&path), "ada@example.com\n00000000\n").await;
    assert_eq!(ran.exit(), Some(Exit::Refused));
    assert!(ran.notes.contains("invalid_code"), "{ran:?}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "the last one");
    // Where nothing is typed, nothing is verified.
    bench.issuer.answer_next(200, "application/json", "{}");
    let ran = bench.login(text(&path), "ada@example.com\n").await;
    assert_eq!(ran.exit(), Some(Exit::Usage));
}

#[tokio::test]
async fn key_commands_go_on_from_the_sign_in_and_exchange_its_token_once_it_has_ended() {
    let bench = Bench::new().await;
    let (path, url) = (bench.path("session.json"), bench.issuer.url().to_owned());
    let list = ["key", "list", "--base-url", &url, "--session-file", text(&path)];
    let ran = bench.run(&list, "").await;
    assert_eq!(ran.exit(), Some(Exit::Usage));
    assert!(ran.notes.contains("tm-auth login"), "{ran:?}");

    let token = bench.answer_a_login().await;
    assert_eq!(
        bench
            .login(text(&path), "ada@example.com\n12345678\n")
            .await
            .result,
        Ok(())
    );
    let no_keys = || {
        bench
            .issuer
            .answer_next(200, "application/json", r#"{"keys":[]}"#);
    };
    no_keys();
    assert_eq!(bench.run(&list, "").await.result, Ok(()));
    let authorization = |bench: &Bench| bench.issuer.seen().last().unwrap().authorization.clone();
    assert_eq!(authorization(&bench), Some(format!("Bearer {token}")));

    bench.clock.advance(std::time::Duration::from_secs(295));
    let newer = bench.answer_with_tokens(bench.management_token().await);
    no_keys();
    assert_eq!(bench.run(&list, "").await.result, Ok(()));
    assert_eq!(
        bench.bodies("/token/refresh"),
        [json!({ "refresh_token": "the refresh token" })]
    );
    assert_eq!(authorization(&bench), Some(format!("Bearer {newer}")));
    // The newer one was kept: it is not exchanged again.
    no_keys();
    assert_eq!(bench.run(&list, "").await.result, Ok(()));
    assert_eq!(bench.bodies("/token/refresh").len(), 1);

    // A sign-in that is over says how to begin again, and one at another service is not sent to this one.
    bench.clock.advance(std::time::Duration::from_mins(10));
    bench.issuer.refuse_next(ErrorCode::SessionExpired);
    let ran = bench.run(&list, "").await;
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
    let ran = bench.run(&elsewhere, "").await;
    assert_eq!(ran.exit(), Some(Exit::Usage));
    assert!(ran.notes.contains("the last sign-in was at"), "{ran:?}");
}

#[tokio::test]
async fn an_account_with_a_passkey_is_shown_to_its_page() {
    let bench = Bench::new().await;
    let (path, key, url) = (
        bench.path("session.json"),
        bench.path("key.json"),
        bench.issuer.url().to_owned(),
    );
    bench.answer_a_login().await;
    assert_eq!(
        bench
            .login(text(&path), "ada@example.com\n12345678\n")
            .await
            .result,
        Ok(())
    );
    assert_eq!(
        bench.run(&["key", "new", "--out", text(&key)], "").await.result,
        Ok(())
    );
    bench.issuer.refuse_next(ErrorCode::ReauthRequired);
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
    let ran = bench.run(&register, "").await;
    assert_eq!(ran.exit(), Some(Exit::Refused));
    assert!(ran.notes.contains(&format!("{url}/api-keys")), "{ran:?}");
}
