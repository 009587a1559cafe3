//! Mailed codes and links: asked for, counted, used once, and the accounts they lead to.

use std::sync::Arc;

use jiff::SignedDuration;
use tm_auth_core::email_code::{CodePepper, EmailCode, FlowId, Length, Purpose, TypedCode};
use tm_auth_core::secret::FlowSecret;
use tm_auth_core::secret::SecretHash;
use tm_auth_core::user::SessionKind;
use tm_auth_core::{Account, EmailAddress, Refusal};

use super::given::{RETENTION, account, at, audit_context, audited, fresh_uuid, new_account};
use crate::email_code::{CodeAttempt, CodeFlow, CodeOf, NewCode, NewLink, ProvedEmail};
use crate::identity::COOLDOWN;
use crate::{AuditAction, AuditEntry, EmailChange, Store};

super::table!("email_codes":
    f02_f06_a_code_works_once_and_for_ten_minutes,
    f03_five_attempts_from_one_network_and_the_askers_own_goes_on,
    f03_f07_an_attempt_counts_against_every_code_outstanding_then,
    f04_attempts_at_the_same_moment_are_counted_one_by_one,
    f05_twenty_failures_an_hour_from_one_network,
    f05_after_a_hundred_failures_codes_are_long_and_the_owner_goes_on,
    f07_three_codes_are_outstanding_and_the_oldest_gives_way,
    f08_f09_a_browsers_code_works_in_that_browser_for_its_own_address,
    f08_f21_a_code_for_one_purpose_serves_no_other,
    f11_f12_a_link_works_once_in_the_browser_that_asked,
    f18_mail_is_limited_per_address_and_network,
    f18_a_flooded_address_gets_mail_for_known_networks_only,
    f19_a_code_that_was_not_mailed_was_never_asked_for,
    f01_g25_asking_makes_no_account_and_proving_makes_one,
    f22_a_released_address_rests_and_is_a_new_account_afterwards,
    c10_a_disabled_account_does_not_sign_in,
    the_right_code_takes_its_own_count_back,
    j18_what_is_over_is_swept,
);

fn pepper() -> CodePepper {
    CodePepper::derive(&[7; 32])
}

fn email(text: &str) -> EmailAddress {
    EmailAddress::parse(text).expect("an address")
}

pub(super) const ADA: &str = "ada@example.com";
const RIGHT: u128 = 12_345_678;
const RIGHT_LONG: u128 = 1_234_567_890_123_456;

/// Asks for a code: `12345678`, or `1234567890123456`.
fn new_code(address: &str, network: &str, browser: Option<NewLink>, seconds: i64) -> NewCode {
    let flow_id = FlowId(*fresh_uuid().as_bytes());
    let mac = |length, code: u128| EmailCode::generate(length, || code.to_be_bytes()).mac(flow_id, &pepper());
    NewCode {
        flow_id,
        email: email(address),
        network: network.to_owned(),
        purpose: Purpose::SignIn,
        short: mac(Length::Short, RIGHT),
        long: mac(Length::Long, RIGHT_LONG),
        browser,
        asked_at: at(seconds),
    }
}

async fn ask(store: &Store, new: NewCode) -> Option<Length> {
    let seconds = new.asked_at.duration_since(at(0)).as_secs();
    store
        .ask_for_code(new, &audit_context(seconds))
        .await
        .expect("the database answers")
}

/// Asks from the network `owner`.
pub(super) async fn asked(store: &Store, seconds: i64) -> FlowId {
    let new = new_code(ADA, "owner", None, seconds);
    let flow_id = new.flow_id;
    assert_eq!(ask(store, new).await, Some(Length::Short));
    flow_id
}

pub(super) fn attempt(typed: &str, network: &str, seconds: i64) -> CodeAttempt {
    CodeAttempt {
        of: CodeOf::Address(email(ADA)),
        purpose: Purpose::SignIn,
        typed: TypedCode::new(typed, vec![pepper()]),
        network: network.to_owned(),
        now: at(seconds),
    }
}

pub(super) async fn consume(store: &Store, attempt: CodeAttempt) -> Result<ProvedEmail, Refusal> {
    let seconds = attempt.now.duration_since(at(0)).as_secs();
    store
        .consume_code(attempt, &audit_context(seconds))
        .await
        .expect("the database answers")
}

async fn right(store: &Store, network: &str, seconds: i64) -> bool {
    consume(store, attempt("1234-5678", network, seconds))
        .await
        .is_ok()
}

async fn wrong(store: &Store, times: u32, network: &str, seconds: i64) {
    for _ in 0..times {
        let refused = consume(store, attempt("87654321", network, seconds)).await;
        assert_eq!(refused, Err(Refusal::InvalidCode));
    }
}

async fn account_of(store: &Store, proved: ProvedEmail, seconds: i64) -> Result<Account, Refusal> {
    store
        .account_by_proved_email(proved, new_account(None, seconds), &audit_context(seconds))
        .await
        .expect("the database answers")
}

/// Asks for a code now, proves it, and takes the account.
async fn sign_in(store: &Store, address: &str, network: &str, seconds: i64) -> Result<Account, Refusal> {
    assert!(
        ask(store, new_code(address, network, None, seconds))
            .await
            .is_some()
    );
    let attempt = CodeAttempt {
        of: CodeOf::Address(email(address)),
        ..attempt("12345678", network, seconds)
    };
    let proved = consume(store, attempt).await.expect("the right code");
    account_of(store, proved, seconds).await
}

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
    // For an address without a code there is nothing to try.
    let nobodys = CodeAttempt {
        of: CodeOf::Address(email("unknown@example.com")),
        ..attempt("12345678", "owner", 1)
    };
    assert_eq!(consume(store, nobodys).await, Err(Refusal::InvalidCode));
}

async fn f03_five_attempts_from_one_network_and_the_askers_own_goes_on(store: &Store) {
    asked(store, 0).await;
    wrong(store, 4, "thief", 1).await;
    wrong(store, 2, "thief", 2).await;
    assert!(!right(store, "thief", 3).await);
    assert!(right(store, "owner", 4).await);

    // One attempt fewer is none too many.
    asked(store, 60).await;
    wrong(store, 4, "thief", 61).await;
    assert!(right(store, "thief", 62).await);
}

async fn f03_f07_an_attempt_counts_against_every_code_outstanding_then(store: &Store) {
    asked(store, 0).await;
    wrong(store, 5, "owner", 1).await;
    // Asking again resets nothing for the first code; the new one has its own attempts.
    asked(store, 60).await;
    wrong(store, 4, "owner", 61).await;
    assert!(right(store, "owner", 62).await, "the second code");
    assert!(!right(store, "owner", 63).await, "the first one is dead here");
    assert!(right(store, "elsewhere", 64).await, "and only here");
}

async fn f04_attempts_at_the_same_moment_are_counted_one_by_one(store: &Arc<Store>) {
    asked(store, 0).await;
    let mut running = Vec::new();
    for number in 0..100 {
        let store = Arc::clone(store);
        // The right code is among them, and late.
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
            "five were compared, whichever they were"
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

async fn f05_after_a_hundred_failures_codes_are_long_and_the_owner_goes_on(store: &Store) {
    asked(store, 0).await;
    for thief in 0..30 {
        wrong(store, 5, &format!("thief {thief}"), 1).await;
    }
    // From elsewhere nothing is compared with the short code any more, even the right one.
    assert!(!right(store, "the owner's telephone", 2).await);
    // A request now gets a long code, which works from anywhere.
    let long = new_code(ADA, "owner", None, 60);
    assert_eq!(ask(store, long).await, Some(Length::Long));
    let typed = "1234-5678-9012-3456";
    assert!(
        consume(store, attempt(typed, "the owner's telephone", 61))
            .await
            .is_ok()
    );
    // The short one still works where it was asked for.
    assert!(right(store, "owner", 62).await);
    // A day later it is as if nothing had been.
    assert_eq!(
        ask(store, new_code(ADA, "owner", None, 86_402)).await,
        Some(Length::Short)
    );
}

async fn f07_three_codes_are_outstanding_and_the_oldest_gives_way(store: &Store) {
    for number in 0..4 {
        asked(store, number * 60).await;
    }
    let elsewhere = new_code(ADA, "elsewhere", None, 181);
    assert!(ask(store, elsewhere).await.is_some());
    let mut working = 0;
    while right(store, "owner", 200).await {
        working += 1;
    }
    assert_eq!(working, 4, "three of this network and the other's");
}

fn link(number: u8) -> NewLink {
    NewLink {
        browser_hash: browser(number),
        link_hash: token(number),
    }
}

fn browser(number: u8) -> SecretHash {
    FlowSecret::new([number; 32]).hash()
}

fn token(number: u8) -> SecretHash {
    FlowSecret::new([100 + number; 32]).hash()
}

fn in_browser(number: u8, typed: &str, seconds: i64) -> CodeAttempt {
    CodeAttempt {
        of: CodeOf::Browser(browser(number)),
        ..attempt(typed, "owner", seconds)
    }
}

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

    assert!(!right(store, "owner", 1).await, "not by a program");
    assert!(
        consume(store, in_browser(3, "12345678", 2)).await.is_err(),
        "not in another browser"
    );
    let proved = consume(store, in_browser(2, "12345678", 3))
        .await
        .expect("the right code");
    assert_eq!(
        proved.email().as_str(),
        "bob@example.com",
        "the flow's own address"
    );
    // And a program's code in no browser.
    assert!(
        ask(store, new_code("eve@example.com", "owner", None, 4))
            .await
            .is_some()
    );
    assert!(consume(store, in_browser(2, "12345678", 5)).await.is_err());
}

async fn f08_f21_a_code_for_one_purpose_serves_no_other(store: &Store) {
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
    // An address that was proved for a change does not log in.
    assert_eq!(account_of(store, proved, 3).await, Err(Refusal::InvalidCode));
}

async fn f11_f12_a_link_works_once_in_the_browser_that_asked(store: &Store) {
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
    // The sign-in is done: neither the code beside it nor the other mail of this browser works any
    // more.
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
    // What was refused left everything as it was.
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
        "within its own limits"
    );
    let next_day = new_code(ADA, "another thief", None, 86_529);
    assert!(ask(store, next_day).await.is_some());
}

/// Signs the account in from this network, in a browser.
async fn known_network(store: &Store, account: &Account, network: &str) {
    let session = super::user_sessions::new(account, SessionKind::Browser, 0);
    let opened = store
        .open_user_session(session, network.to_owned(), None, &audit_context(0))
        .await;
    assert!(opened.expect("the database answers"));
}

async fn f19_a_code_that_was_not_mailed_was_never_asked_for(store: &Store) {
    let flow_id = asked(store, 0).await;
    store.withdraw_code(flow_id).await.expect("the database answers");
    assert!(!right(store, "owner", 1).await);
    asked(store, 1).await;
    assert!(right(store, "owner", 2).await);
    // Repeating it, or naming something unknown, changes nothing.
    store.withdraw_code(flow_id).await.expect("the database answers");
    assert_eq!(
        ask(store, new_code(ADA, "owner", None, 3)).await,
        None,
        "the second one was mailed"
    );
}

async fn f01_g25_asking_makes_no_account_and_proving_makes_one(store: &Store) {
    asked(store, 0).await;
    wrong(store, 5, "owner", 1).await;
    assert_eq!(store.accounts().await.expect("the database answers"), []);
    // Written, though to no account's trail: the time does not tell whether there is an account.
    assert_eq!(
        (
            audited(store, AuditAction::CodeSent).await,
            audited(store, AuditAction::CodeRefused).await
        ),
        (1, 5)
    );

    let made = sign_in(store, ADA, "owner", 60).await.expect("an account");
    assert_eq!((made.email.as_deref(), made.created_at), (Some(ADA), at(60)));
    let again = sign_in(store, ADA, "owner", 120).await.expect("an account");
    assert_eq!(again, made);
    assert_eq!(
        store.accounts().await.expect("the database answers"),
        std::slice::from_ref(&made)
    );
    assert_eq!(audited(store, AuditAction::AccountCreated).await, 1);
    asked(store, 180).await;
    wrong(store, 1, "owner", 181).await;
    let trail = store
        .audit_trail(Some(made.uid), 10)
        .await
        .expect("the database answers");
    let actions: Vec<AuditAction> = trail
        .iter()
        .map(|entry: &AuditEntry| entry.action.clone())
        .collect();
    assert_eq!(
        actions,
        [
            AuditAction::CodeRefused,
            AuditAction::CodeSent,
            AuditAction::CodeSent,
            AuditAction::AccountCreated
        ]
    );
}

async fn f22_a_released_address_rests_and_is_a_new_account_afterwards(store: &Store) {
    let old = sign_in(store, ADA, "owner", 0).await.expect("an account");
    let purpose = Purpose::SetEmail(old.uid);
    let new = NewCode {
        purpose,
        ..new_code("ada@example.org", "owner", Some(link(1)), 60)
    };
    assert!(ask(store, new).await.is_some());
    let attempt = CodeAttempt {
        purpose,
        ..in_browser(1, "12345678", 60)
    };
    let proved = consume(store, attempt).await.expect("the right code");
    let changed = store.set_email(proved, &audit_context(60)).await;
    let expected = EmailChange::Changed(Some(ADA.to_owned()));
    assert_eq!(changed.expect("the database answers"), expected);
    let rests = 60 + COOLDOWN.as_secs();
    for seconds in [120, rests - 1] {
        let refused = sign_in(store, ADA, "owner", seconds).await;
        assert_eq!(refused, Err(Refusal::AddressInCooldown));
    }
    let new = sign_in(store, ADA, "owner", rests + 60)
        .await
        .expect("an account");
    assert_ne!(new.uid, old.uid);
    let old_again = sign_in(store, "ada@example.org", "owner", rests + 60)
        .await
        .expect("an account");
    assert_eq!(old_again.uid, old.uid);
}

async fn c10_a_disabled_account_does_not_sign_in(store: &Store) {
    let ada = sign_in(store, ADA, "owner", 0).await.expect("an account");
    let disabled = store
        .set_account_disabled(ada.uid, Some(at(1)), &audit_context(1))
        .await;
    assert!(disabled.expect("the database answers"));
    // Asking gives the same answer as ever, and only the proof tells.
    assert_eq!(
        sign_in(store, ADA, "owner", 60).await,
        Err(Refusal::AccountDisabled)
    );
}

async fn the_right_code_takes_its_own_count_back(store: &Store) {
    for number in 0..3 {
        asked(store, number * 60).await;
    }
    wrong(store, 4, "owner", 200).await;
    for _ in 0..3 {
        assert!(right(store, "owner", 201).await);
    }
}

async fn j18_what_is_over_is_swept(store: &Store) {
    asked(store, 0).await;
    wrong(store, 5, "owner", 1).await;
    let sweep = async |seconds| {
        let swept = store
            .sweep(at(seconds), &RETENTION)
            .await
            .expect("the database answers");
        swept.deleted
    };
    // Its hour over, the code goes: one row; a day after they happened, the events: a mail and five
    // failures.
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
