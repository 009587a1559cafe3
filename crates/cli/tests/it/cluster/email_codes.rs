//! E-mail codes that are guessed and used on three nodes at once.

use tm_auth_client::{ApiError, AuthApi};
use tm_auth_proto::ErrorCode;
use tm_auth_testing::postgres::psql;
use tm_auth_testing::three_nodes::ThreeNodes;
use tokio::task::JoinSet;

use super::{SETTINGS, apis, binary};

const ADDRESSES: usize = 12;
const GUESSES: usize = 60;
/// The attempts at one code that one network has, on all nodes together.
const ATTEMPTS: usize = 5;

/// A mailbox in memory, which is on the node that sent the mail, and limits that no test reaches.
const MAILBOX: [(&str, &str); 3] = [
    ("MAIL__MODE", "mailbox"),
    ("LIMITS__CODES_PER_NETWORK_PER_HOUR", "60000"),
    ("LIMITS__WRONG_CODES_PER_NETWORK_PER_5_MINUTES", "60000"),
];

fn start() -> ThreeNodes {
    ThreeNodes::start(binary(), &[&SETTINGS[..], &MAILBOX].concat())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn f03_f04_i08_guesses_on_three_nodes_at_once_get_five_attempts_together() {
    let cluster = start();
    let nodes = apis(&cluster);
    let email = "ada@example.com";
    let code = mailed(&nodes[0], email).await;
    let mut guessing = JoinSet::new();
    for number in 0..GUESSES {
        let api = nodes[number % 3].clone();
        let wrong = (code.replace('-', "").parse::<usize>().expect("digits") + 1 + number) % 100_000_000;
        guessing.spawn(async move { api.verify_email_code(email, &format!("{wrong:08}"), None).await });
    }
    for answer in guessing.join_all().await {
        assert_invalid(&answer.expect_err("the code is wrong"));
    }
    let sql = "SELECT count(*) FROM email_code_events WHERE kind = 'failed'";
    let compared = psql(&cluster.postgres_url(), sql);
    assert_eq!(compared, ATTEMPTS.to_string());
    for api in &nodes {
        // The right code is refused too.
        assert_invalid(
            &api.verify_email_code(email, &code, None)
                .await
                .expect_err("no attempt is left"),
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn j09_a_code_sent_to_three_nodes_at_once_signs_in_once() {
    let cluster = start();
    let nodes = apis(&cluster);
    for number in 0..ADDRESSES {
        let email = format!("user{number}@example.com");
        let code = mailed(&nodes[number % 3], &email).await;
        let mut asking = JoinSet::new();
        for turn in 0..6 {
            let (api, email, code) = (nodes[turn % 3].clone(), email.clone(), code.clone());
            asking.spawn(async move { api.verify_email_code(&email, &code, None).await });
        }
        let mut signed_in = 0;
        for answer in asking.join_all().await {
            match answer {
                Ok(_) => signed_in += 1,
                Err(error) => assert_invalid(&error),
            }
        }
        assert_eq!(signed_in, 1);
    }
}

fn assert_invalid(error: &ApiError) {
    assert_eq!(error.code(), Some(ErrorCode::InvalidCode), "{error}");
}

/// Requests a code from a node and reads it in that node's mailbox.
async fn mailed(api: &AuthApi, email: &str) -> String {
    api.request_email_code(email).await.expect("the code is mailed");
    let origin = api.base_url().strip_suffix("/v1/auth").expect("the base path");
    let page = reqwest::get(format!("{origin}/mailbox"))
        .await
        .expect("an answer");
    let page = page.text().await.expect("text");
    let (_, mail) = page
        .split_once(&format!(">{email}<"))
        .unwrap_or_else(|| panic!("no mail to {email}: {page}"));
    let (_, code) = mail.split_once("mailed-code\">").expect("a code");
    code.split_once('<').expect("the end of the code").0.to_owned()
}
