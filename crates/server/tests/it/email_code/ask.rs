//! `POST /email/otc`: what a caller learns by requesting a code.

use serde_json::json;
use tm_auth_proto::{AccountId, OrganizationId};
use tm_auth_server::random;
use tm_auth_store::faults::Fault;
use tm_auth_store::{AuditContext, NewAccount};

use super::{ADA, ask, verify};
use crate::support::{TestServer, rows};

#[tokio::test]
async fn f01_known_unknown_disabled_and_unreachable_addresses_get_the_same_answer() {
    let server = TestServer::start().await;
    let mut answers = Vec::new();
    for known in [ADA, "disabled@example.com"] {
        ask(&server, known).await;
        assert_eq!(
            verify(&server, known, &server.code_mail(known).code).await.status,
            200
        );
    }
    let disabled = server.store.accounts().await.unwrap().into_iter();
    let disabled = disabled.filter(|account| account.email.as_deref() == Some("disabled@example.com"));
    for account in disabled {
        let audit_context = AuditContext::operator(server.now());
        server
            .store
            .set_account_disabled(account.uid, Some(server.now()), &audit_context)
            .await
            .unwrap();
    }
    server.advance(60);
    for address in [
        ADA,
        "unknown@example.com",
        "disabled@example.com",
        "a@no-such-host.invalid",
    ] {
        answers.push(ask(&server, address).await.comparable());
        assert_eq!(server.inbox(address)[0].at, server.now(), "{address} gets mail");
    }
    // An address that just got a mail gets no other, but the same answer.
    answers.push(ask(&server, ADA).await.comparable());
    assert_eq!(answers[0].0, 200);
    assert_eq!(answers[0].2, json!({}));
    assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
}

#[tokio::test]
async fn r25_r26_a_pasted_address_is_the_account_that_an_operator_created() {
    let server = TestServer::start().await;
    let new = NewAccount {
        email: Some("Bob@Example.com".parse().unwrap()),
        ..new_account(server.now())
    };
    let audit_context = AuditContext::operator(server.now());
    let created = server.store.create_account(new, &audit_context);
    let uid = created.await.unwrap().unwrap().uid;
    for pasted in [
        "\u{feff}bob@example.com\n",
        "<Bob@Example.com>",
        "Bob Miller <BOB\u{ff20}example.com>",
    ] {
        server.advance(3600);
        assert_eq!(ask(&server, pasted).await.status, 200, "{pasted:?}");
        let code = server.code_mail("bob@example.com").code;
        assert_eq!(verify(&server, pasted, &code).await.status, 200, "{pasted:?}");
        // The page understands the same.
        server.advance(3600);
        let mut browser = server.visitor();
        let sent = browser
            .submit("/sign-in", &[("email", pasted), ("next", "/security")])
            .await;
        assert_eq!(sent.location(), "/sign-in/code", "{pasted:?}");
        server.code_mail("bob@example.com");
    }
    let accounts = server.store.accounts().await.unwrap();
    assert_eq!(
        accounts.iter().map(|account| account.uid).collect::<Vec<_>>(),
        [uid]
    );
}

fn new_account(created_at: jiff::Timestamp) -> NewAccount {
    let fresh = || uuid::Builder::from_random_bytes(random::bytes()).into_uuid();
    NewAccount {
        uid: AccountId(fresh()),
        organization_id: OrganizationId(fresh()),
        email: None,
        created_at,
    }
}

#[tokio::test]
async fn f16_spellings_of_an_address_are_one_account_and_mail_goes_to_its_stored_form() {
    let server = TestServer::start().await;
    assert_eq!(ask(&server, " Ada@B\u{fc}cher.Example").await.status, 200);
    let stored = "ada@xn--bcher-kva.example";
    let code = server.code_mail(stored).code;
    // The same letter as a decomposed sequence.
    let answer = verify(&server, "ADA@bu\u{308}cher.example", &code).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let accounts = server.store.accounts().await.unwrap();
    assert_eq!(accounts.len(), 1);
    assert_eq!(accounts[0].email.as_deref(), Some(stored));
    // A look-alike with a Cyrillic a is another address.
    server.advance(60);
    let alike = "ada@b\u{fc}cher.ex\u{430}mple";
    assert_eq!(ask(&server, alike).await.status, 200);
    let mailed = &server.app.mailbox().unwrap()[0].to;
    assert!(
        mailed.starts_with("ada@xn--bcher-kva.xn--") && mailed != stored,
        "{mailed}"
    );
    let code = server.code_mail(mailed).code;
    assert_eq!(verify(&server, alike, &code).await.status, 200);
    assert_eq!(server.store.accounts().await.unwrap().len(), 2);
}

#[tokio::test]
async fn f17_an_invalid_address_is_refused_and_gets_no_mail() {
    let server = TestServer::start().await;
    let long = format!("{}@x.com", "a".repeat(5_000));
    for bad in [
        "a@x.com\r\nBcc: v@y.com",
        "a@x.com\nBcc: v@y.com",
        "a@x.com,b@y.com",
        "<a@x.com",
        "b@y.com <a@x.com>",
        "A <a@x.com>, B <b@y.com>",
        "a@[127.0.0.1]",
        "a@127.0.0.1",
        "\"a b\"@x.com",
        "a@x.com.",
        "a",
        "",
        &long,
    ] {
        ask(&server, bad).await.assert_invalid("invalid_request", "email");
        verify(&server, bad, "12345678")
            .await
            .assert_invalid("invalid_request", "email");
    }
    server
        .post("/email/otc", &json!({}))
        .await
        .assert_error(400, "invalid_request");
    server
        .post("/email/otc", &json!({ "email": 1 }))
        .await
        .assert_error(400, "invalid_request");
    assert!(server.app.mailbox().unwrap().is_empty());
    assert!(rows(&server, "SELECT email FROM email_codes").is_empty());
}

#[tokio::test]
async fn g25_requesting_a_code_without_using_it_leaves_nothing_behind() {
    let server = TestServer::start().await;
    // The attacker requests codes for the victim's address, and tries a wrong one.
    assert_eq!(ask(&server, ADA).await.status, 200);
    let mut browser = server.visitor();
    server.advance(60);
    browser.submit("/sign-in", &[("email", ADA)]).await;
    verify(&server, ADA, "00000000")
        .await
        .assert_error(401, "invalid_code");
    assert!(!browser.cookies.contains_key("sid"));
    for table in [
        "accounts",
        "user_sessions",
        "sign_in_networks",
        "apple_identities",
        "passkeys",
    ] {
        assert!(
            rows(&server, &format!("SELECT 1 FROM {table}")).is_empty(),
            "{table}"
        );
    }
    // The page's code does not work over the API. The victim's own code creates the account, and
    // the attacker's browser stays logged out.
    let code = server.code_mail(ADA).code;
    verify(&server, ADA, &code)
        .await
        .assert_error(401, "invalid_code");
    server.advance(60);
    ask(&server, ADA).await;
    assert_eq!(
        verify(&server, ADA, &server.code_mail(ADA).code).await.status,
        200
    );
    assert_eq!(rows(&server, "SELECT 1 FROM accounts").len(), 1);
    assert_eq!(rows(&server, "SELECT 1 FROM user_sessions").len(), 1);
    assert_eq!(browser.get("/sign-in").await.status, 200);
    assert!(!browser.cookies.contains_key("sid"));
    // The codes expire after ten minutes, and a sweep deletes them an hour later.
    server.advance(4_201);
    server
        .store
        .sweep(server.now(), &server.app.retention())
        .await
        .unwrap();
    assert!(rows(&server, "SELECT 1 FROM email_codes").is_empty());
}

#[tokio::test]
async fn f01_a_database_outage_is_not_reported_as_a_wrong_code() {
    let server = TestServer::start().await;
    let faults = server.store.faults();
    ask(&server, ADA).await;
    let code = server.code_mail(ADA).code;
    faults.set(Fault::Fail);
    ask(&server, ADA).await.assert_error(503, "unavailable");
    verify(&server, ADA, &code).await.assert_error(503, "unavailable");
    faults.set(Fault::None);
    assert_eq!(verify(&server, ADA, &code).await.status, 200);
}
