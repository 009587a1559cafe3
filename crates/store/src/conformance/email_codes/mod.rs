//! Codes and links by e-mail: requested, counted, used once, and the accounts that they log in to.

pub(super) mod accounts;
pub(super) mod attempts;
pub(super) mod browsers;
pub(super) mod sending;

use tm_auth_core::email_code::{CodePepper, EmailCode, FlowId, Length, Purpose, TypedCode};
use tm_auth_core::secret::{FlowSecret, SecretHash};
use tm_auth_core::{Account, EmailAddress, Refusal};

use super::given::{at, audit_context, fresh_uuid, new_account};
use super::{Case, table};
use crate::Store;
use crate::email_code::{AskedCode, CodeAttempt, CodeOf, NewCode, NewLink, ProvedEmail, SealedCodes};

pub(super) const ADA: &str = "ada@example.com";
const RIGHT: u128 = 12_345_678;
const RIGHT_LONG: u128 = 1_234_567_890_123_456;

fn pepper() -> CodePepper {
    CodePepper::derive(&[7; 32])
}

fn email(text: &str) -> EmailAddress {
    EmailAddress::parse(text).expect("an address")
}

/// Requests a code: `12345678`, or `1234567890123456` if it is long.
fn new_code(address: &str, network: &str, browser: Option<NewLink>, seconds: i64) -> NewCode {
    let flow_id = FlowId(*fresh_uuid().as_bytes());
    let mac = |length, code: u128| EmailCode::generate(length, || code.to_be_bytes()).mac(flow_id, &pepper());
    NewCode {
        flow_id,
        email: email(address),
        network: network.to_owned(),
        site: network.to_owned(),
        purpose: Purpose::SignIn,
        short: mac(Length::Short, RIGHT),
        long: mac(Length::Long, RIGHT_LONG),
        browser,
        mail: SealedCodes {
            short: b"short".to_vec(),
            long: b"long".to_vec(),
        },
        asked_at: at(seconds),
    }
}

/// Requests a code. Returns its length if it is sent.
async fn ask(store: &Store, new: NewCode) -> Option<Length> {
    match outcome(store, new).await {
        AskedCode::Sent(length) => Some(length),
        AskedCode::Wait(_) | AskedCode::NotSent | AskedCode::Full => None,
    }
}

async fn outcome(store: &Store, new: NewCode) -> AskedCode {
    let seconds = new.asked_at.duration_since(at(0)).as_secs();
    store
        .ask_for_code(new, &audit_context(seconds))
        .await
        .expect("the database answers")
}

/// Requests a code of 8 digits, and returns whether it may be sent.
pub(super) async fn ask_with_mail(store: &Store, seconds: i64) -> bool {
    ask(store, new_code(ADA, "owner", None, seconds)).await.is_some()
}

/// Requests a code from the network `owner`.
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

/// Requests a code, verifies the address with it, and logs in.
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
