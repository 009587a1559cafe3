//! Where pages offer passkeys, and what their script gets.

use tm_auth_core::person::AuthMethod;

use crate::support::TestServer;
use crate::support::authenticator::Authenticator;

#[tokio::test]
async fn g01_the_sign_in_page_offers_passkeys_and_brings_the_script() {
    let server = TestServer::start().await;
    let mut visitor = server.visitor();
    let page = visitor.get("/sign-in?next=/security").await;
    for part in [
        r#"<form data-passkey="sign-in" data-next="/security""#,
        r#"<form data-passkey="sign-up" data-next="/security""#,
        r#"autocomplete="username webauthn""#,
        "data-passkey-error hidden",
    ] {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
    let script = page
        .text
        .split('"')
        .find(|part| part.ends_with("/passkey.js"))
        .unwrap()
        .to_owned();
    let script = visitor.get(&script).await;
    assert_eq!(script.status, 200);
    assert!(script.header("content-type").starts_with("text/javascript"));
    // What the pages' policy forbids, and what would need it.
    for sink in [
        "innerHTML",
        "eval(",
        "document.write",
        "insertAdjacentHTML",
        "setTimeout(\"",
        "import(",
    ] {
        assert!(!script.text.contains(sink), "{sink}");
    }
}

#[tokio::test]
async fn g12_who_is_signed_in_confirms_with_a_passkey_of_the_account() {
    let server = TestServer::start().await;
    let mut authenticator = Authenticator::new();
    let (account, _) = server.with_address(&mut authenticator).await;
    let mut visitor = server.signed_in(&account, AuthMethod::EmailCode).await;
    let page = visitor.get("/sign-in").await;
    let form = format!(
        r#"<form data-passkey="step-up" data-csrf="{}" data-next="/api-keys""#,
        visitor.csrf()
    );
    assert!(page.text.contains(&form), "{}", page.text);
    assert!(!page.text.contains("data-passkey=\"sign-"), "{}", page.text);
    assert!(page.text.contains("E-mail me a code"), "{}", page.text);
    // Who has no address is not asked for one: it would be another account's.
    let (_, mut visitor) = server.signed_up(&mut Authenticator::new()).await;
    let page = visitor.get("/sign-in").await;
    assert!(page.text.contains("step-up"), "{}", page.text);
    assert!(!page.text.contains("E-mail me a code"), "{}", page.text);
    // Without a passkey there is none to ask for.
    let bare = server.account().await;
    let mut visitor = server.signed_in(&bare, AuthMethod::EmailCode).await;
    let page = visitor.get("/sign-in").await;
    assert!(!page.text.contains("data-passkey"), "{}", page.text);
}
