//! `POST /email/otc/verify`: exchanges a code for tokens, once.

use serde_json::json;
use tm_auth_proto::{ErrorBody, TokenResponse};
use tm_auth_server::config::Kek;
use tm_auth_store::AuditContext;

use super::{ADA, ask, other_than, verify};
use crate::support::{Answer, TestServer, jwt};

/// The error without its request id.
fn said(answer: &Answer) -> ErrorBody {
    ErrorBody {
        request_id: String::new(),
        ..answer.error_body()
    }
}

#[tokio::test]
async fn f02_f06_wrong_used_and_expired_codes_get_the_same_answer() {
    let server = TestServer::start().await;
    ask(&server, ADA).await;
    let code = server.code_mail(ADA).code;
    let wrong = verify(&server, ADA, &other_than(&code)).await;
    wrong.assert_error(401, "invalid_code");
    assert_eq!(verify(&server, ADA, &code).await.status, 200);
    let used = verify(&server, ADA, &code).await;
    server.advance(60);
    ask(&server, ADA).await;
    let code = server.code_mail(ADA).code;
    server.advance(601);
    let old = verify(&server, ADA, &code).await;
    let unknown_address = verify(&server, "unknown@example.com", &code).await;
    for answer in [used, old, unknown_address] {
        answer.assert_error(401, "invalid_code");
        assert_eq!(said(&answer), said(&wrong));
    }
    // A code works in its last second.
    ask(&server, ADA).await;
    server.advance(599);
    assert_eq!(
        verify(&server, ADA, &server.code_mail(ADA).code).await.status,
        200
    );
}

#[tokio::test]
async fn r50_a_code_may_be_grouped_in_any_way_and_other_strings_are_refused() {
    let server = TestServer::start().await;
    for (number, form) in [
        "{a}{b}",
        "{a}-{b}",
        " {a} {b} ",
        "{a}\u{2013}{b}\n",
        "\u{feff}\u{200e}{a}\u{200b}{b}\u{200b}",
        "\"{a}.{b}.\"",
    ]
    .into_iter()
    .enumerate()
    {
        let address = format!("user{number}@example.com");
        ask(&server, &address).await;
        let code = server.code_mail(&address).code;
        let (a, b) = code.split_once('-').unwrap();
        let typed = form.replace("{a}", a).replace("{b}", b);
        assert_eq!(verify(&server, &address, &typed).await.status, 200, "{form}");
    }
    // The digits of Arabic, Persian, Devanagari and of full width.
    for zero in ['\u{660}', '\u{6f0}', '\u{966}', '\u{ff10}'] {
        let address = format!("user{}@example.com", u32::from(zero));
        ask(&server, &address).await;
        let code = server.code_mail(&address).code;
        let typed: String = code
            .chars()
            .filter_map(|digit| char::from_u32(u32::from(zero) + digit.to_digit(10)?))
            .collect();
        assert_eq!(verify(&server, &address, &typed).await.status, 200, "{typed}");
    }
    ask(&server, ADA).await;
    for typed in ["", "-", "abc", "\u{0}", &"9".repeat(10_000)] {
        verify(&server, ADA, typed)
            .await
            .assert_error(401, "invalid_code");
    }
    let body = json!({ "email": ADA, "code": 12_345_678 });
    server
        .post("/email/otc/verify", &body)
        .await
        .assert_invalid("invalid_request", "code");
}

#[tokio::test]
async fn the_tokens_are_for_the_platform_and_belong_to_the_account_of_the_address() {
    let server = TestServer::start().await;
    ask(&server, ADA).await;
    let first = verify(&server, ADA, &server.code_mail(ADA).code).await;
    let tokens: TokenResponse = serde_json::from_value(first.body.clone()).unwrap();
    let mut members: Vec<&str> = first
        .body
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    // The order depends on the features of `serde_json` in this build.
    members.sort_unstable();
    assert_eq!(
        members,
        ["access_token", "expires_in", "refresh_token", "token_type"]
    );
    let claims = jwt::payload(&tokens.access_token);
    let account = &server.store.accounts().await.unwrap()[0];
    assert_eq!(claims["sub"], ADA);
    assert_eq!(claims["uid"], account.uid.to_string());
    assert_eq!(claims["aud"], server.config.audience());
    assert_eq!(claims["scope"], "read trade transfer");
    assert_eq!(claims["client_id"], "truemarkets-native");
    assert_eq!(claims["auth_time"], server.now().as_second());
    // The token cannot manage keys.
    server
        .get_with("/api-keys", &tokens.access_token)
        .await
        .assert_error(403, "management_token_required");
    assert_eq!(server.refresh(&tokens.refresh_token).await.status, 200);
    // Another login reaches the same account.
    server.advance(60);
    ask(&server, ADA).await;
    let again = verify(&server, ADA, &server.code_mail(ADA).code).await;
    assert_eq!(jwt::payload(&again.access_token())["uid"], claims["uid"]);
    assert_eq!(server.store.accounts().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_token_for_the_audience_auth_only_manages_keys() {
    let server = TestServer::start().await;
    ask(&server, ADA).await;
    let body =
        |audience: &str| json!({ "email": ADA, "code": server.code_mail(ADA).code, "audience": audience });
    for other in ["platform", "AUTH", ""] {
        let answer = server.post("/email/otc/verify", &body(other)).await;
        answer.assert_invalid("invalid_request", "audience");
    }
    let answer = server.post("/email/otc/verify", &body("auth")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let token = answer.access_token();
    assert_eq!(jwt::payload(&token)["aud"], server.issuer());
    assert_eq!(server.get_with("/api-keys", &token).await.status, 200);
    server
        .get_with("/api-key", &token)
        .await
        .assert_error(401, "invalid_token");
}

#[tokio::test]
async fn c10_the_right_code_of_a_disabled_account_gets_account_disabled() {
    let server = TestServer::start().await;
    ask(&server, ADA).await;
    verify(&server, ADA, &server.code_mail(ADA).code).await;
    let uid = server.store.accounts().await.unwrap()[0].uid;
    let audit_context = AuditContext::operator(server.now());
    server
        .store
        .set_account_disabled(uid, Some(server.now()), &audit_context)
        .await
        .unwrap();
    server.advance(60);
    ask(&server, ADA).await;
    let code = server.code_mail(ADA).code;
    verify(&server, ADA, &other_than(&code))
        .await
        .assert_error(401, "invalid_code");
    verify(&server, ADA, &code)
        .await
        .assert_error(401, "account_disabled");
}

#[tokio::test]
async fn a_code_stays_valid_over_a_change_of_the_key_encryption_key() {
    let server = TestServer::start().await;
    ask(&server, ADA).await;
    let code = server.code_mail(ADA).code;
    let old = server.config.keys.kek.clone();
    let (folder, clock) = server.stop().await;
    let server = TestServer::start_in(folder, clock, |config| {
        config.keys.kek = Kek::new(std::array::from_fn(|index| {
            u8::try_from(index * 11 % 251).unwrap() ^ 0x3c
        }))
        .unwrap();
        config.keys.previous_kek = Some(old);
    })
    .await;
    assert_eq!(verify(&server, ADA, &code).await.status, 200);
}
