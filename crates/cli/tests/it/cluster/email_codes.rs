//! Tests that concurrent guesses and uses of an e-mail code on three nodes count together.

use tm_auth_client::{ApiError, AuthApi};
use tm_auth_proto::ErrorCode;
use tm_auth_testing::postgres::psql;
use tm_auth_testing::three_nodes::ThreeNodes;
use tokio::task::JoinSet;

use super::{SETTINGS, apis, binary};

const ADDRESSES: usize = 12;
const GUESSES: usize = 60;
/// The number of wrong attempts that one network has for a code, on all nodes together.
const ATTEMPTS: usize = 5;

/// Keeps mails in the memory of the node that sent them. Sets limits that no test reaches.
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
    let code = request_code(&nodes[0], email).await;
    let mut tasks = JoinSet::new();
    for number in 0..GUESSES {
        let api = nodes[number % 3].clone();
        let wrong = (code
            .replace('-', "")
            .parse::<usize>()
            .expect("the code has digits")
            + 1
            + number)
            % 100_000_000;
        tasks.spawn(async move { api.verify_email_code(email, &format!("{wrong:08}"), None).await });
    }
    for answer in tasks.join_all().await {
        assert_invalid(&answer.expect_err("the code is wrong"));
    }
    let sql = "SELECT count(*) FROM email_code_events WHERE kind = 'failed'";
    let failed = psql(&cluster.postgres_url(), sql);
    assert_eq!(failed, ATTEMPTS.to_string());
    for api in &nodes {
        // Every node now refuses the right code too.
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
        let code = request_code(&nodes[number % 3], &email).await;
        let mut tasks = JoinSet::new();
        for turn in 0..6 {
            let (api, email, code) = (nodes[turn % 3].clone(), email.clone(), code.clone());
            tasks.spawn(async move { api.verify_email_code(&email, &code, None).await });
        }
        let mut logins = 0;
        for answer in tasks.join_all().await {
            match answer {
                Ok(_) => logins += 1,
                Err(error) => assert_invalid(&error),
            }
        }
        assert_eq!(logins, 1);
    }
}

fn assert_invalid(error: &ApiError) {
    assert_eq!(error.code(), Some(ErrorCode::InvalidCode), "{error}");
}

/// Requests a code from a node and reads it in that node's mailbox.
async fn request_code(api: &AuthApi, email: &str) -> String {
    api.request_email_code(email).await.expect("the code is mailed");
    let origin = api
        .base_url()
        .strip_suffix("/v1/auth")
        .expect("the URL ends with the base path");
    let page = reqwest::get(format!("{origin}/mailbox"))
        .await
        .expect("the node answers");
    let page = page.text().await.expect("the page is text");
    let (_, mail) = page
        .split_once(&format!(">{email}<"))
        .unwrap_or_else(|| panic!("no mail to {email}: {page}"));
    let (_, code) = mail.split_once("mailed-code\">").expect("the mail has a code");
    code.split_once('<')
        .expect("the code ends with a tag")
        .0
        .to_owned()
}
