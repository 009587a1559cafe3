//! The pages with passkey forms, and what they give their script.

use tm_auth_core::user::AuthMethod;

use crate::support::TestServer;
use crate::support::authenticator::Authenticator;

#[tokio::test]
async fn g01_the_sign_in_page_has_the_passkey_forms_and_their_script() {
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
    // The script writes no HTML and runs no text as code.
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
async fn g12_a_signed_in_user_confirms_with_a_passkey_of_the_account() {
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
    // An account without an address is not offered a code by mail.
    let (_, mut visitor) = server.signed_up(&mut Authenticator::new()).await;
    let page = visitor.get("/sign-in").await;
    assert!(page.text.contains("step-up"), "{}", page.text);
    assert!(!page.text.contains("E-mail me a code"), "{}", page.text);
    // An account without a passkey is not offered the form.
    let bare = server.account().await;
    let mut visitor = server.signed_in(&bare, AuthMethod::EmailCode).await;
    let page = visitor.get("/sign-in").await;
    assert!(!page.text.contains("data-passkey"), "{}", page.text);
}
