//! Mailed codes on three nodes: three stores on one PostgreSQL, one of them behind a proxy that
//! loses answers.
//!
//! 1. Each code is sent to all three stores at once.
//! 2. At most one store accepts it. Exactly one does, unless an answer was lost: then the outcome
//!    is unknown.

use std::net::SocketAddr;
use std::sync::Arc;

use jiff::Timestamp;
use libtest_mimic::Trial;
use tm_auth_core::email_code::{CodePepper, EmailCode, FlowId, Length, Purpose, TypedCode};
use tm_auth_core::{EmailAddress, Refusal};
use tm_auth_store::email_code::{AskedCode, CodeAttempt, CodeOf, NewCode, SealedCodes};
use tm_auth_store::postgres::{self, PostgresOptions};
use tm_auth_store::{AuditContext, Store};
use tm_auth_testing::fault_proxy::FaultProxy;
use tm_auth_testing::postgres::Postgres;

const CODES: u128 = 3_000;
/// The variable with the number of codes of a longer run, which also prints its figures.
const LONG: &str = "TM_AUTH_TEST_CODES";
const AT_ONCE: u128 = 20;
/// The number of codes per lost answer.
const LOST_EVERY: u128 = 200;
const NETWORK: &str = "192.0.2.1";

pub(crate) fn tests() -> Vec<Trial> {
    let name = "postgres::single_use::j09_a_code_is_consumed_once_at_most_whatever_is_lost";
    vec![crate::test(name, || {
        let runtime = tokio::runtime::Runtime::new().expect("the system can start threads");
        runtime.block_on(each_code_is_consumed_once_at_most());
    })]
}

async fn each_code_is_consumed_once_at_most() {
    let long = std::env::var(LONG).ok();
    let codes = long
        .as_ref()
        .map_or(CODES, |text| text.parse().expect("a number"));
    let server = Postgres::shared();
    let url = server.database();
    let path = FaultProxy::start(SocketAddr::from(([127, 0, 0, 1], server.port())));
    let mut stores = Vec::new();
    for url in [path.url(&url), url.clone(), url.clone()] {
        let options = PostgresOptions {
            url,
            max_connections: 8,
        };
        stores.push(Arc::new(postgres::open(&options).await.expect("a database")));
    }
    let mut unknown = 0;
    for begin in (0..codes).step_by(usize::try_from(AT_ONCE).expect("small")) {
        let mut running = tokio::task::JoinSet::new();
        for number in begin..codes.min(begin + AT_ONCE) {
            if number % LOST_EVERY == LOST_EVERY - 1 {
                path.cut_before_next_answer();
            }
            let stores = stores.clone();
            running.spawn(async move { once_at_most(&stores, number).await });
        }
        unknown += running
            .join_all()
            .await
            .into_iter()
            .filter(|known| !known)
            .count();
    }
    let lost = path.answers_lost();
    assert!(lost > 0, "no answer was lost");
    let open = server.psql(&url, "SELECT count(*) FROM email_codes WHERE used_at IS NULL");
    if long.is_some() {
        println!(
            "{codes} codes, each sent to three nodes at once; {lost} answers lost; {unknown} outcomes unknown; {open} codes unused"
        );
    }
    assert!(open.parse::<usize>().expect("a number") <= unknown);
}

/// Sends a code to all stores. Returns whether all outcomes are known.
async fn once_at_most(stores: &[Arc<Store>], number: u128) -> bool {
    let pepper = CodePepper::derive(&[7; 32]);
    let email = EmailAddress::parse(&format!("user{number}@example.com")).expect("an address");
    let flow_id = FlowId(number.to_be_bytes());
    let mac = |length, code: u128| EmailCode::generate(length, || code.to_be_bytes()).mac(flow_id, &pepper);
    let new = NewCode {
        flow_id,
        email: email.clone(),
        network: NETWORK.to_owned(),
        site: NETWORK.to_owned(),
        purpose: Purpose::SignIn,
        short: mac(Length::Short, 12_345_678),
        long: mac(Length::Long, 1_234_567_890_123_456),
        browser: None,
        mail: SealedCodes::default(),
        asked_at: now(),
    };
    let audit_context = AuditContext {
        at: now(),
        actor: "the test".to_owned(),
        ip: None,
        request_id: None,
    };
    // The second store's path loses nothing.
    let asked = stores[1].ask_for_code(new, &audit_context).await;
    assert_eq!(
        asked.expect("the database answers"),
        AskedCode::Sent(Length::Short)
    );
    let consume = async |store: &Store| {
        let attempt = CodeAttempt {
            of: CodeOf::Address(email.clone()),
            purpose: Purpose::SignIn,
            typed: TypedCode::new("1234-5678", vec![pepper.clone()]),
            network: NETWORK.to_owned(),
            now: now(),
        };
        store.consume_code(attempt, &audit_context).await
    };
    let (first, second, third) = tokio::join!(consume(&stores[0]), consume(&stores[1]), consume(&stores[2]));
    let (mut consumed, mut known) = (0, true);
    for answer in [first, second, third] {
        match answer {
            Ok(Ok(_)) => consumed += 1,
            Ok(Err(refusal)) => assert_eq!(refusal, Refusal::InvalidCode),
            Err(_) => known = false,
        }
    }
    assert!(consumed <= 1, "code {number} was consumed {consumed} times");
    assert!(consumed == 1 || !known, "code {number} was never consumed");
    known
}

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).expect("within this century")
}
