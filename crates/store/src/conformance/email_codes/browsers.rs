//! Codes and links that a browser requested, and the purposes of codes.

use tm_auth_core::Refusal;
use tm_auth_core::email_code::Purpose;

use super::super::given::{account, at};
use super::{ADA, account_of, ask, browser, consume, email, in_browser, link, new_code, right, token};
use crate::Store;
use crate::email_code::{CodeAttempt, CodeFlow, NewCode, NewLink};

super::table!("email_codes":
    f08_f09_a_browsers_code_works_in_that_browser_for_its_own_address,
    f08_f21_a_code_works_for_its_purpose_only,
    f11_f12_a_link_works_once_in_the_browser_that_requested_it,
);

async fn f08_f09_a_browsers_code_works_in_that_browser_for_its_own_address(store: &Store) {
    assert!(
        ask(store, new_code(ADA, "owner", Some(link(1)), 0))
            .await
            .is_some()
    );
    assert!(
        ask(store, new_code("bob@example.com", "owner", Some(link(2)), 0))
            .await
            .is_some()
    );
    let flow = store
        .code_flow(browser(1), at(1))
        .await
        .expect("the database answers");
    let expected = CodeFlow {
        email: email(ADA),
        purpose: Purpose::SignIn,
        expires_at: at(600),
    };
    assert_eq!(flow, Some(expected));
    for elsewhere in [browser(3), token(1)] {
        assert_eq!(
            store
                .code_flow(elsewhere, at(1))
                .await
                .expect("the database answers"),
            None
        );
    }
    assert_eq!(
        store
            .code_flow(browser(1), at(600))
            .await
            .expect("the database answers"),
        None
    );

    assert!(
        !right(store, "owner", 1).await,
        "a program cannot use a browser's code"
    );
    assert!(
        consume(store, in_browser(3, "12345678", 2)).await.is_err(),
        "another browser cannot use the code"
    );
    let proved = consume(store, in_browser(2, "12345678", 3))
        .await
        .expect("the right code");
    assert_eq!(
        proved.email().as_str(),
        "bob@example.com",
        "the code verifies the address of its flow"
    );
    // A program's code works in no browser.
    assert!(
        ask(store, new_code("eve@example.com", "owner", None, 4))
            .await
            .is_some()
    );
    assert!(consume(store, in_browser(2, "12345678", 5)).await.is_err());
}

async fn f08_f21_a_code_works_for_its_purpose_only(store: &Store) {
    let (mine, other) = (account(store).await.uid, account(store).await.uid);
    let new = NewCode {
        purpose: Purpose::SetEmail(mine),
        ..new_code(ADA, "owner", Some(link(1)), 0)
    };
    assert!(ask(store, new).await.is_some());
    for purpose in [Purpose::SignIn, Purpose::SetEmail(other)] {
        let attempt = CodeAttempt {
            purpose,
            ..in_browser(1, "12345678", 1)
        };
        assert_eq!(consume(store, attempt).await, Err(Refusal::InvalidCode));
        let by_link = store.consume_link(token(1), browser(1), purpose, at(1)).await;
        assert_eq!(by_link.expect("the database answers"), Err(Refusal::InvalidCode));
    }
    let purpose = Purpose::SetEmail(mine);
    let proved = consume(
        store,
        CodeAttempt {
            purpose,
            ..in_browser(1, "12345678", 2)
        },
    )
    .await;
    let proved = proved.expect("the right code");
    assert_eq!((proved.email().as_str(), proved.purpose()), (ADA, purpose));
    // An address that was verified for a change does not log in.
    assert_eq!(account_of(store, proved, 3).await, Err(Refusal::InvalidCode));
}

async fn f11_f12_a_link_works_once_in_the_browser_that_requested_it(store: &Store) {
    assert!(
        ask(store, new_code(ADA, "owner", Some(link(1)), 0))
            .await
            .is_some()
    );
    assert!(
        ask(
            store,
            new_code(
                ADA,
                "owner",
                Some(NewLink {
                    link_hash: token(9),
                    ..link(1)
                }),
                60
            )
        )
        .await
        .is_some()
    );
    let consume_link = async |token, browser, seconds| {
        let consumed = store
            .consume_link(token, browser, Purpose::SignIn, at(seconds))
            .await;
        consumed.expect("the database answers").is_ok()
    };
    assert!(!consume_link(token(1), browser(2), 61).await, "elsewhere");
    assert!(!consume_link(browser(1), browser(1), 61).await, "another token");
    assert!(!consume_link(token(1), browser(1), 600).await, "over");
    assert!(consume_link(token(1), browser(1), 599).await);
    assert!(!consume_link(token(1), browser(1), 599).await, "used");
    // The login is complete, so neither the code in the same e-mail nor the other e-mail of this
    // browser works.
    assert!(consume(store, in_browser(1, "12345678", 100)).await.is_err());
    assert!(!consume_link(token(9), browser(1), 100).await);
    assert_eq!(
        store
            .code_flow(browser(1), at(100))
            .await
            .expect("the database answers"),
        None
    );
}
