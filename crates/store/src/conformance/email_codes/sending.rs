//! How many codes are sent, how long they are, and when they are deleted.

use std::sync::atomic::{AtomicU8, Ordering};

use jiff::SignedDuration;
use tm_auth_core::Account;
use tm_auth_core::email_code::Length;
use tm_auth_core::user::SessionKind;

use super::super::given::{RETENTION, at, audit_context};
use super::{ADA, ask, asked, browser, new_code, outcome, right, sign_in, token, wrong};
use crate::Store;
use crate::email_code::{AskedCode, NewCode, NewLink};

super::table!("email_codes":
    f18_mail_is_limited_per_address_and_network,
    f18_an_address_under_attack_gets_long_codes_and_known_networks_the_usual_ones,
    f18_a_client_that_has_to_wait_is_told_unless_it_has_a_code,
    f18_requests_from_many_networks_of_one_site_leave_mail_for_others,
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
    // The refused requests did not affect the owner's code.
    assert!(right(store, "owner", 3_100).await);
}

async fn f18_an_address_under_attack_gets_long_codes_and_known_networks_the_usual_ones(store: &Store) {
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
    let from = async |network: &str, seconds| outcome(store, new_code(ADA, network, None, seconds)).await;
    assert_eq!(from("elsewhere", 200).await, AskedCode::Sent(Length::Long));
    assert_eq!(from("elsewhere", 201).await, AskedCode::NotSent, "one an hour");
    // A known network would get a short code, but too many short codes are outstanding.
    assert_eq!(from("home", 202).await, AskedCode::Sent(Length::Long));
    for number in 0..68 {
        let network = format!("another thief {number}");
        assert_eq!(
            from(&network, 300).await,
            AskedCode::Sent(Length::Long),
            "{number}"
        );
    }
    // The limit of a hundred mails is reached: 30 before the address counted as under attack, and
    // 70 since.
    assert_eq!(from("the last thief", 300).await, AskedCode::NotSent);
    assert_eq!(from("home", 301).await, AskedCode::Sent(Length::Long));
    assert_eq!(
        from("the last thief", 90_000).await,
        AskedCode::Sent(Length::Short)
    );
}

async fn f18_a_client_that_has_to_wait_is_told_unless_it_has_a_code(store: &Store) {
    // Each mail contains another link.
    let links = AtomicU8::new(1);
    let from = async |number: Option<u8>, seconds| {
        let link = number.map(|number| NewLink {
            browser_hash: browser(number),
            link_hash: token(links.fetch_add(1, Ordering::Relaxed)),
        });
        outcome(store, new_code(ADA, "owner", link, seconds)).await
    };
    for _ in 0..3 {
        assert_eq!(from(Some(1), 0).await, AskedCode::Sent(Length::Short));
    }
    assert_eq!(from(Some(1), 1).await, AskedCode::NotSent);
    // The codes of one browser work neither in another browser nor for a program.
    let wait = AskedCode::Wait(SignedDuration::from_secs(59));
    assert_eq!(from(Some(2), 1).await, wait);
    assert_eq!(from(None, 1).await, wait);
    assert_eq!(from(None, 60).await, AskedCode::Sent(Length::Short));
    assert_eq!(from(None, 61).await, AskedCode::Sent(Length::Short));
    assert_eq!(from(None, 62).await, AskedCode::NotSent);
}

async fn f18_requests_from_many_networks_of_one_site_leave_mail_for_others(store: &Store) {
    let from = async |network: String, site: &str| {
        let new = NewCode {
            site: site.to_owned(),
            ..new_code(ADA, &network, None, 0)
        };
        outcome(store, new).await
    };
    for number in 0..20 {
        let sent = from(format!("thief {number}"), "site of thieves").await;
        assert_eq!(sent, AskedCode::Sent(Length::Short), "{number}");
    }
    let refused = from("another thief".to_owned(), "site of thieves").await;
    assert_eq!(refused, AskedCode::Wait(SignedDuration::from_hours(24)));
    // Long, because each of the twenty short codes reserves five of the 100 comparisons a day.
    let sent = from("owner".to_owned(), "site of the owner").await;
    assert_eq!(sent, AskedCode::Sent(Length::Long));
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
    // The code's row is deleted an hour after it expired. The six events (one e-mail, five
    // failures) are deleted after a day.
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

/// Logs the account in with a browser from this network, so that the network counts as known.
async fn known_network(store: &Store, account: &Account, network: &str) {
    let session = super::super::user_sessions::new_session(account, SessionKind::Browser, 0);
    let opened = store
        .open_user_session(session, network.to_owned(), None, &audit_context(0))
        .await;
    assert!(opened.expect("the database answers"));
}
