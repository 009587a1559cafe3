//! G27: notifications of Apple, and forged ones.

use serde_json::{Value, json};
use tm_auth_core::Account;
use tm_auth_core::user::{AuthMethod, SessionKind};

use super::forger::{Forged, Key, NOW, OTHER_RSA, RSA, input};
use super::provider::{AtApple, fields};
use super::{CLIENT_ID, Departure, account_with, come_back, leave, newest_mail, signed_in, trail};
use crate::support::{Answer, TestServer};

async fn tell(server: &TestServer, body: &Value) -> Answer {
    let url = format!("{}/apple/notifications", server.origin);
    Answer::of(server.http.post(url).json(body).send().await.unwrap()).await
}

async fn is_linked(server: &TestServer, account: &Account) -> bool {
    let identity = server.store.apple_identity_of(account.uid).await.unwrap();
    identity.is_some_and(|identity| identity.withdrawn_at.is_none())
}

#[tokio::test]
async fn g27_a_user_who_withdraws_at_apple_is_unlinked_and_signed_out() {
    let apple = AtApple::start().await;
    let server = &apple.server;
    let ada = account_with(server, "ada@example.com").await;
    for type_ in ["consent-revoked", "account-delete", "account-deleted"] {
        // More than five notices within ten minutes would come in one mail.
        apple.advance(600).await;
        let mut visitor = server.signed_in(&ada, AuthMethod::Passkey).await;
        let departure = Departure::of(&visitor.submit("/apple/link", &[]).await);
        let posted = apple.visit(&departure, "ada").await;
        assert_eq!(come_back(&mut visitor, &fields(&posted)).await.status, 303);
        let (native, _) = server.signed_in_program(&ada, SessionKind::Native).await;
        assert!(is_linked(server, &ada).await);

        let told = apple.notification(type_, "ada").await;
        assert_eq!(tell(server, &told).await.status, 200);
        assert!(!is_linked(server, &ada).await, "{type_}");
        let mail = newest_mail(server, "ada@example.com").expect("the owner is told");
        assert!(mail.contains("Apple") && mail.contains("unlinked"), "{mail}");
        assert!(signed_in(server, &visitor).await.is_none());
        let (native, _) = server.store.user_session(native.sid).await.unwrap().unwrap();
        assert!(native.ended.is_some());
        assert!(trail(server, &ada).await.contains(&"apple_unlinked".to_owned()));
        assert!(
            server
                .store
                .account(ada.uid)
                .await
                .unwrap()
                .unwrap()
                .disabled_at
                .is_none()
        );
        // After a new link, the old notification does nothing.
        apple.advance(2).await;
        let mut visitor = server.signed_in(&ada, AuthMethod::Passkey).await;
        let departure = Departure::of(&visitor.submit("/apple/link", &[]).await);
        let posted = apple.visit(&departure, "ada").await;
        assert_eq!(come_back(&mut visitor, &fields(&posted)).await.status, 303);
        assert_eq!(tell(server, &told).await.status, 200);
        assert!(is_linked(server, &ada).await && signed_in(server, &visitor).await.is_some());
        assert_eq!(visitor.submit("/apple/unlink", &[]).await.status, 303);
        apple.advance(2).await;
    }
}

#[tokio::test]
async fn g27_a_user_without_another_login_method_finds_the_account_again() {
    let apple = AtApple::start().await;
    let server = &apple.server;
    let mut visitor = server.visitor();
    let departure = leave(&mut visitor).await;
    let posted = apple.visit(&departure, "eve").await;
    come_back(&mut visitor, &fields(&posted)).await;
    let account = signed_in(server, &visitor).await.unwrap();
    assert_eq!(
        tell(server, &apple.notification("consent-revoked", "eve").await)
            .await
            .status,
        200
    );
    assert!(!is_linked(server, &account).await);
    assert!(signed_in(server, &visitor).await.is_none());
    assert_eq!(server.store.login_methods(account.uid).await.unwrap().count(), 0);

    apple.advance(2).await;
    let departure = leave(&mut visitor).await;
    let posted = apple.visit(&departure, "eve").await;
    assert_eq!(come_back(&mut visitor, &fields(&posted)).await.status, 303);
    assert_eq!(
        signed_in(server, &visitor).await.map(|account| account.uid),
        Some(account.uid)
    );
    assert!(is_linked(server, &account).await);
}

#[tokio::test]
async fn g27_relay_events_are_noted_and_change_nothing() {
    let apple = AtApple::start().await;
    let server = &apple.server;
    let mut visitor = server.visitor();
    let departure = leave(&mut visitor).await;
    let posted = apple.visit(&departure, "eve").await;
    come_back(&mut visitor, &fields(&posted)).await;
    let account = signed_in(server, &visitor).await.unwrap();
    for type_ in ["email-disabled", "email-enabled", "something-new"] {
        assert_eq!(
            tell(server, &apple.notification(type_, "eve").await).await.status,
            200
        );
    }
    assert!(is_linked(server, &account).await && signed_in(server, &visitor).await.is_some());
    let trail = trail(server, &account).await;
    assert_eq!(
        trail[trail.len() - 2..],
        ["apple_mail_disabled", "apple_mail_enabled"]
    );
    // Events about an unknown identity are accepted and change nothing.
    for type_ in ["consent-revoked", "email-disabled"] {
        assert_eq!(
            tell(server, &apple.notification(type_, "bob").await).await.status,
            200
        );
    }
}

#[tokio::test]
async fn g27_a_notification_not_signed_by_apple_for_this_service_does_nothing() {
    let apple = Forged::start().await;
    let server = &apple.server;
    let mut visitor = server.visitor();
    let departure = leave(&mut visitor).await;
    let id_token = Forged::signed(&apple.claims(departure.get("nonce")));
    apple.gives(&id_token);
    come_back(&mut visitor, &[("code", "c"), ("state", departure.get("state"))]).await;
    let account = signed_in(server, &visitor).await.unwrap();

    let event = json!({ "type": "consent-revoked", "sub": "001999.abc.0001", "event_time": NOW * 1000 });
    let good = json!({
        "iss": apple.issuer, "aud": CLIENT_ID, "iat": NOW, "exp": NOW + 86_400, "jti": "j", "events": event.to_string(),
    });
    let bent = |claim: &str, value: Value| {
        let mut claims = good.clone();
        claims[claim] = value;
        Forged::signed(&claims)
    };
    let header = json!({ "alg": "RS256", "kid": "k1" });
    let stranger = Key::p256();
    let hidden = stranger.sign(
        &json!({ "alg": "ES256", "kid": "x", "jwk": stranger.jwk("x") }),
        &good,
    );
    for (what, payload) in [
        ("another key", OTHER_RSA.sign(&header, &good)),
        ("its own key", hidden),
        (
            "alg none",
            format!("{}.", input(&json!({ "alg": "none", "kid": "k1" }), &good)),
        ),
        ("another app", bent("aud", json!("co.truemarkets.app"))),
        ("another issuer", bent("iss", json!("https://appleid.apple.com"))),
        ("expired", bent("exp", json!(NOW - 10))),
        ("an `exp` that is not a number", bent("exp", json!("never"))),
        ("in the future", bent("iat", json!(NOW + 60))),
        ("without time", bent("iat", Value::Null)),
        ("no event", bent("events", json!("[]"))),
        (
            "an event without a user",
            bent("events", json!("{\"type\":\"consent-revoked\"}")),
        ),
        ("an ID token", id_token),
        ("an ID token with events", bent("nonce", json!("n"))),
        ("nonsense", "nonsense".to_owned()),
    ] {
        let answer = tell(server, &json!({ "payload": payload })).await;
        assert_eq!(answer.code(), "apple_token_invalid", "{what}: {answer:?}");
        answer.assert_invalid("apple_token_invalid", "payload");
        assert!(is_linked(server, &account).await, "{what}");
        assert!(signed_in(server, &visitor).await.is_some(), "{what}");
    }
    tell(server, &json!({ "payload": 1 }))
        .await
        .assert_error(400, "invalid_request");
    let form = server
        .http
        .post(format!("{}/apple/notifications", server.origin))
        .body("payload=x");
    Answer::of(form.send().await.unwrap())
        .await
        .assert_error(415, "unsupported_media_type");

    // The same event, signed by Apple. `events` may be an object or a text.
    let mut claims = good.clone();
    claims["events"] = event;
    let answer = tell(server, &json!({ "payload": RSA.sign(&header, &claims) })).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(!is_linked(server, &account).await);
}

#[tokio::test]
async fn g27_notifications_may_be_addressed_to_the_app() {
    let apple = Forged::start_with(|apple| apple.app_id = Some("co.truemarkets.app".to_owned())).await;
    let server = &apple.server;
    let mut visitor = server.visitor();
    let departure = leave(&mut visitor).await;
    apple.gives(&Forged::signed(&apple.claims(departure.get("nonce"))));
    come_back(&mut visitor, &[("code", "c"), ("state", departure.get("state"))]).await;
    let account = signed_in(server, &visitor).await.unwrap();
    let event = json!({ "type": "account-delete", "sub": "001999.abc.0001", "event_time": NOW });
    let mut claims =
        json!({ "iss": apple.issuer, "aud": CLIENT_ID, "iat": NOW, "events": event.to_string() });
    tell(server, &json!({ "payload": Forged::signed(&claims) }))
        .await
        .assert_error(400, "apple_token_invalid");
    assert!(is_linked(server, &account).await);
    claims["aud"] = "co.truemarkets.app".into();
    assert_eq!(
        tell(server, &json!({ "payload": Forged::signed(&claims) }))
            .await
            .status,
        200
    );
    assert!(!is_linked(server, &account).await);
}
