//! How many codes are sent, and how long they are kept.

use jiff::SignedDuration;
use tm_auth_core::Account;
use tm_auth_core::user::SessionKind;

use super::super::given::{RETENTION, at, audit_context};
use super::{ADA, ask, asked, new_code, right, sign_in, wrong};
use crate::Store;

super::table!("email_codes":
    f18_mail_is_limited_per_address_and_network,
    f18_a_flooded_address_gets_mail_for_known_networks_only,
    f19_a_withdrawn_code_is_not_counted_as_sent,
    j18_expired_codes_are_swept,
);

async fn f18_mail_is_limited_per_address_and_network(store: &Store) {
    let mut mails = 0;
    for number in 0..100 {
        let new = new_code(ADA, "thief", None, number * 30);
        mails += usize::from(ask(store, new).await.is_some());
    }
    assert_eq!(mails, 5, "in fifty minutes");
    assert!(
        ask(store, new_code(ADA, "owner", None, 3_000)).await.is_some(),
        "other addresses are not affected"
    );
    assert!(
        ask(store, new_code("bob@example.com", "thief", None, 3_000))
            .await
            .is_some()
    );
    for number in 1..48 {
        mails += usize::from(
            ask(store, new_code(ADA, "thief", None, number * 1_800))
                .await
                .is_some(),
        );
    }
    assert_eq!(mails, 10, "in a day");
    // The refusals changed nothing.
    assert!(right(store, "owner", 3_100).await);
}

async fn f18_a_flooded_address_gets_mail_for_known_networks_only(store: &Store) {
    let ada = sign_in(store, ADA, "home", 0).await.expect("an account");
    known_network(store, &ada, "home").await;
    for number in 0..29 {
        let network = format!("thief {number}");
        assert!(
            ask(store, new_code(ADA, &network, None, 100 + number))
                .await
                .is_some()
        );
    }
    assert_eq!(ask(store, new_code(ADA, "another thief", None, 200)).await, None);
    assert!(ask(store, new_code(ADA, "home", None, 200)).await.is_some());
    assert_eq!(
        ask(store, new_code(ADA, "home", None, 201)).await,
        None,
        "a known network has limits too"
    );
    let next_day = new_code(ADA, "another thief", None, 86_529);
    assert!(ask(store, next_day).await.is_some());
}

async fn f19_a_withdrawn_code_is_not_counted_as_sent(store: &Store) {
    let flow_id = asked(store, 0).await;
    store.withdraw_code(flow_id).await.expect("the database answers");
    assert!(!right(store, "owner", 1).await);
    asked(store, 1).await;
    assert!(right(store, "owner", 2).await);
    // Withdrawing the code again changes nothing.
    store.withdraw_code(flow_id).await.expect("the database answers");
    assert_eq!(
        ask(store, new_code(ADA, "owner", None, 3)).await,
        None,
        "only the withdrawn code is not counted"
    );
}

async fn j18_expired_codes_are_swept(store: &Store) {
    asked(store, 0).await;
    wrong(store, 5, "owner", 1).await;
    let sweep = async |seconds| {
        let swept = store
            .sweep(at(seconds), &RETENTION)
            .await
            .expect("the database answers");
        swept.deleted
    };
    // The code is deleted an hour after it expired: one row. The events, one e-mail and five
    // failures, are deleted after a day.
    assert_eq!(sweep(4_200).await, 0);
    assert_eq!(sweep(4_201).await, 1);
    assert_eq!(sweep(86_402).await, 6);
    let long_after = at(86_402) + SignedDuration::from_hours(24 * 300);
    assert_eq!(
        store
            .sweep(long_after, &RETENTION)
            .await
            .expect("the database answers")
            .deleted,
        0
    );
}

/// Logs the account in from this network, in a browser.
async fn known_network(store: &Store, account: &Account, network: &str) {
    let session = super::super::user_sessions::new_session(account, SessionKind::Browser, 0);
    let opened = store
        .open_user_session(session, network.to_owned(), None, &audit_context(0))
        .await;
    assert!(opened.expect("the database answers"));
}
