//! Linking and unlinking an identity.

use tm_auth_core::Account;
use tm_auth_core::user::AuthMethod;
use tm_auth_store::AuditContext;

use super::forger::Forged;
use super::provider::{AtApple, fields};
use super::{Departure, account_with, assert_page, come_back, leave, newest_mail, signed_in, trail};
use crate::support::{Answer, TestServer, Visitor};

async fn link(apple: &Forged, visitor: &mut Visitor<'_>, sub: &str) -> Answer {
    let departure = Departure::of(&visitor.submit("/apple/link", &[]).await);
    answered(apple, visitor, &departure, sub).await
}

async fn answered(apple: &Forged, visitor: &mut Visitor<'_>, departure: &Departure, sub: &str) -> Answer {
    let mut claims = apple.claims(departure.get("nonce"));
    claims["sub"] = sub.into();
    apple.gives(&Forged::signed(&claims));
    come_back(visitor, &[("code", "c"), ("state", departure.get("state"))]).await
}

async fn linked(server: &TestServer, account: &Account) -> Option<String> {
    let identity = server.store.apple_identity_of(account.uid).await.unwrap();
    identity.map(|identity| identity.sub)
}

#[tokio::test]
async fn g23_the_owner_of_the_address_signs_in_and_links() {
    let apple = AtApple::start().await;
    let server = &apple.server;
    let ada = account_with(server, "ada@example.com").await;
    let mut stranger = server.visitor();
    let departure = leave(&mut stranger).await;
    let posted = apple.visit(&departure, "ada").await;
    come_back(&mut stranger, &fields(&posted))
        .await
        .assert_error(409, "address_has_account");
    // A browser gets the error as a page.
    let departure = leave(&mut stranger).await;
    let posted = apple.visit(&departure, "ada").await;
    let body: Vec<_> = posted
        .iter()
        .filter(|(name, _)| name == "code" || name == "state")
        .collect();
    let body: Vec<_> = body
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let request = stranger
        .request(reqwest::Method::POST, "/apple/callback")
        .header("accept", "text/html")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body.join("&"));
    let page = stranger.send(request).await;
    assert_eq!(page.status, 409);
    assert!(
        page.text.contains("address_has_account") && page.text.contains("/sign-in?next=/security"),
        "{page:?}"
    );

    let mut visitor = server.signed_in(&ada, AuthMethod::EmailCode).await;
    let departure = Departure::of(&visitor.submit("/apple/link", &[]).await);
    let posted = apple.visit(&departure, "ada").await;
    let answer = come_back(&mut visitor, &fields(&posted)).await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (303, "/security"),
        "{answer:?}"
    );
    assert!(linked(server, &ada).await.is_some());
    assert_eq!(
        trail(server, &ada).await.last().map(String::as_str),
        Some("apple_linked")
    );

    let mail = newest_mail(server, "ada@example.com").expect("the owner is told");
    assert!(mail.contains("Apple"), "{mail}");

    let departure = leave(&mut stranger).await;
    let posted = apple.visit(&departure, "ada").await;
    assert_eq!(come_back(&mut stranger, &fields(&posted)).await.status, 303);
    assert_eq!(
        signed_in(server, &stranger).await.map(|account| account.uid),
        Some(ada.uid)
    );
}

#[tokio::test]
async fn c12_linking_needs_a_fresh_proof_and_the_csrf_token() {
    let apple = Forged::start().await;
    let server = &apple.server;
    let account = account_with(server, "ada@example.com").await;
    let answer = server.visitor().submit("/apple/link", &[]).await;
    assert_page(&answer, 401, "missing_session");
    let mut visitor = server.signed_in(&account, AuthMethod::EmailCode).await;
    let mut forgetful = visitor.clone();
    let request = forgetful
        .request(reqwest::Method::POST, "/apple/link")
        .header("origin", &server.origin)
        .header("content-type", "application/x-www-form-urlencoded")
        .body("csrf=made-up");
    forgetful
        .send(request)
        .await
        .assert_error(403, "cross_site_request");
    server.advance(301);
    let answer = visitor.submit("/apple/link", &[]).await;
    assert_page(&answer, 403, "reauth_required");
    let answer = visitor.submit("/apple/unlink", &[]).await;
    assert_page(&answer, 403, "reauth_required");
    assert_eq!(linked(server, &account).await, None);
}

#[tokio::test]
async fn g26_a_link_counts_only_while_its_session_is_live() {
    let apple = Forged::start().await;
    let server = &apple.server;
    let account = account_with(server, "ada@example.com").await;
    let mut visitor = server.signed_in(&account, AuthMethod::Passkey).await;
    let departure = Departure::of(&visitor.submit("/apple/link", &[]).await);
    let audit_context = AuditContext::operator(server.now());
    server
        .store
        .end_user_sessions(account.uid, None, &audit_context)
        .await
        .unwrap();
    answered(&apple, &mut visitor, &departure, "s1")
        .await
        .assert_error(401, "missing_session");
    assert_eq!(linked(server, &account).await, None);
}

#[tokio::test]
async fn g23_an_identity_has_one_account_and_an_account_one_identity() {
    let apple = Forged::start().await;
    let server = &apple.server;
    let (ada, bob) = (
        account_with(server, "ada@example.com").await,
        account_with(server, "bob@example.com").await,
    );
    let mut at_ada = server.signed_in(&ada, AuthMethod::Passkey).await;
    let mut at_bob = server.signed_in(&bob, AuthMethod::Passkey).await;
    assert_eq!(link(&apple, &mut at_ada, "s1").await.status, 303);
    assert_eq!(
        link(&apple, &mut at_ada, "s1").await.status,
        303,
        "a second time succeeds too"
    );
    link(&apple, &mut at_bob, "s1")
        .await
        .assert_error(409, "apple_linked_elsewhere");
    link(&apple, &mut at_ada, "s2")
        .await
        .assert_error(409, "apple_already_linked");
    assert_eq!(
        (linked(server, &ada).await.as_deref(), linked(server, &bob).await),
        (Some("s1"), None)
    );

    let answer = at_ada.submit("/apple/unlink", &[]).await;
    assert_eq!((answer.status, answer.header("location")), (303, "/security"));
    assert_eq!(linked(server, &ada).await, None);
    assert_eq!(
        link(&apple, &mut at_bob, "s1").await.status,
        303,
        "unlinking frees the identity"
    );
}

#[tokio::test]
async fn g20_the_last_login_method_is_not_unlinked() {
    let apple = Forged::start().await;
    let server = &apple.server;
    let mut visitor = server.visitor();
    let departure = leave(&mut visitor).await;
    assert_eq!(answered(&apple, &mut visitor, &departure, "s1").await.status, 303);
    let account = signed_in(server, &visitor).await.unwrap();
    let answer = visitor.submit("/apple/unlink", &[]).await;
    assert_page(&answer, 409, "last_way_in");
    assert_eq!(linked(server, &account).await.as_deref(), Some("s1"));
}
