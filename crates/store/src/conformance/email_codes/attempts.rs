//! Attempts: the right code works once, and failures are limited.

use std::sync::Arc;

use tm_auth_core::Refusal;
use tm_auth_core::email_code::{Length, Purpose};

use super::{ADA, RIGHT, ask, asked, attempt, consume, email, new_code, right, wrong};
use crate::Store;
use crate::email_code::{CodeAttempt, CodeOf};

super::table!("email_codes":
    f02_f06_a_code_works_once_and_for_ten_minutes,
    f03_five_attempts_per_network_and_the_owners_are_separate,
    f03_f07_an_attempt_counts_against_every_code_outstanding_then,
    f04_concurrent_attempts_are_counted_one_by_one,
    f05_twenty_failures_an_hour_from_one_network,
    f05_after_a_hundred_failures_codes_are_long_and_the_owner_can_log_in,
    f07_of_three_outstanding_codes_the_oldest_is_replaced,
    the_right_code_does_not_count_as_failed,
);

async fn f02_f06_a_code_works_once_and_for_ten_minutes(store: &Store) {
    asked(store, 0).await;
    let proved = consume(store, attempt(" 1234 5678", "owner", 599))
        .await
        .expect("the right code");
    assert_eq!(
        (proved.email().as_str(), proved.purpose()),
        (ADA, Purpose::SignIn)
    );
    assert!(!right(store, "owner", 599).await, "used");

    asked(store, 600).await;
    assert!(!right(store, "owner", 1_200).await, "over");
    // An attempt for an address without a code fails.
    let nobodys = CodeAttempt {
        of: CodeOf::Address(email("unknown@example.com")),
        ..attempt("12345678", "owner", 1)
    };
    assert_eq!(consume(store, nobodys).await, Err(Refusal::InvalidCode));
}

async fn f03_five_attempts_per_network_and_the_owners_are_separate(store: &Store) {
    asked(store, 0).await;
    wrong(store, 4, "thief", 1).await;
    wrong(store, 2, "thief", 2).await;
    assert!(!right(store, "thief", 3).await);
    assert!(right(store, "owner", 4).await);

    // One attempt fewer is within the limit.
    asked(store, 60).await;
    wrong(store, 4, "thief", 61).await;
    assert!(right(store, "thief", 62).await);
}

async fn f03_f07_an_attempt_counts_against_every_code_outstanding_then(store: &Store) {
    asked(store, 0).await;
    wrong(store, 5, "owner", 1).await;
    // Another request resets nothing for the first code. The new code has its own attempts.
    asked(store, 60).await;
    wrong(store, 4, "owner", 61).await;
    assert!(right(store, "owner", 62).await, "the second code");
    assert!(
        !right(store, "owner", 63).await,
        "the first code has no attempts left from this network"
    );
    assert!(
        right(store, "elsewhere", 64).await,
        "it still works from another network"
    );
}

async fn f04_concurrent_attempts_are_counted_one_by_one(store: &Arc<Store>) {
    asked(store, 0).await;
    let mut running = Vec::new();
    for number in 0..100 {
        let store = Arc::clone(store);
        // The right code is among the last attempts.
        let typed = if number == 99 { RIGHT } else { number };
        running.push(tokio::spawn(async move {
            consume(&store, attempt(&format!("{typed:08}"), "thief", 1)).await
        }));
    }
    let mut proved = 0;
    for attempt in running {
        proved += usize::from(attempt.await.expect("no panic").is_ok());
    }
    assert!(proved <= 1);
    if proved == 0 {
        assert!(
            !right(store, "thief", 2).await,
            "five attempts were compared, in any order"
        );
        assert!(right(store, "owner", 3).await);
    }
}

async fn f05_twenty_failures_an_hour_from_one_network(store: &Store) {
    for number in 0..4 {
        asked(store, number * 60).await;
        wrong(store, 5, "thief", number * 60).await;
    }
    asked(store, 3_000).await;
    assert!(!right(store, "thief", 3_001).await);
    asked(store, 3_600).await;
    assert!(
        right(store, "thief", 3_601).await,
        "the first five are an hour old"
    );
}

async fn f05_after_a_hundred_failures_codes_are_long_and_the_owner_can_log_in(store: &Store) {
    asked(store, 0).await;
    for thief in 0..30 {
        wrong(store, 5, &format!("thief {thief}"), 1).await;
    }
    // Other networks cannot use the short code any more, even if it is right.
    assert!(!right(store, "the owner's telephone", 2).await);
    // A new request gets a long code, which works from any network.
    let long = new_code(ADA, "owner", None, 60);
    assert_eq!(ask(store, long).await, Some(Length::Long));
    let typed = "1234-5678-9012-3456";
    assert!(
        consume(store, attempt(typed, "the owner's telephone", 61))
            .await
            .is_ok()
    );
    // The short code still works from the network that requested it.
    assert!(right(store, "owner", 62).await);
    // A day later the failures no longer count.
    assert_eq!(
        ask(store, new_code(ADA, "owner", None, 86_402)).await,
        Some(Length::Short)
    );
}

async fn f07_of_three_outstanding_codes_the_oldest_is_replaced(store: &Store) {
    for number in 0..4 {
        asked(store, number * 60).await;
    }
    let elsewhere = new_code(ADA, "elsewhere", None, 181);
    assert!(ask(store, elsewhere).await.is_some());
    let mut working = 0;
    while right(store, "owner", 200).await {
        working += 1;
    }
    assert_eq!(working, 4, "three codes of this network and one of the other");
}

async fn the_right_code_does_not_count_as_failed(store: &Store) {
    for number in 0..3 {
        asked(store, number * 60).await;
    }
    wrong(store, 4, "owner", 200).await;
    for _ in 0..3 {
        assert!(right(store, "owner", 201).await);
    }
}
