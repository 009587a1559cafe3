//! Three nodes must behave like one: in races between them, after revocations, and while their
//! database or one of them fails under load.

mod database_outage;
mod email_codes;
mod faults;
mod limits;
mod load_balancer;
mod observer;
mod races;
mod revocation;
mod sdk;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tm_auth_client::AuthApi;
use tm_auth_proto::AccountId;
use tm_auth_testing::bot::{Bot, Owner};
use tm_auth_testing::three_nodes::{NODES, ThreeNodes};

/// Settings of all tests: a fast signature algorithm, and high limits, which only the test of rate
/// limits lowers.
const SETTINGS: [(&str, &str); 7] = [
    ("TOKENS__ALGORITHM", "ES256"),
    ("API_KEYS__MAX_PER_ACCOUNT", "100"),
    ("LIMITS__REQUESTS_PER_NETWORK_PER_MINUTE", "600000"),
    ("LIMITS__MINTS_PER_KEY_PER_MINUTE", "60000"),
    ("LIMITS__REFRESHES_PER_SESSION_PER_MINUTE", "60000"),
    ("LIMITS__FAILURES_PER_NETWORK_PER_MINUTE", "600000"),
    ("LIMITS__FAILURES_PER_KEY_PER_MINUTE", "60000"),
];

fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_tm-auth"))
}

/// The API of each node, without the load balancer.
fn apis(nodes: &ThreeNodes) -> Vec<AuthApi> {
    node_urls(nodes)
        .iter()
        .map(|url| AuthApi::new(url).expect("the base URL is valid"))
        .collect()
}

fn node_urls(nodes: &ThreeNodes) -> Vec<String> {
    NODES.map(|node| nodes.node_url(node).to_owned()).to_vec()
}

/// Runs an administrative command that must succeed. Returns its output.
fn operator(nodes: &ThreeNodes, arguments: &[&str]) -> String {
    let output = nodes.command(arguments).output().expect("the binary starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {stderr}");
    let printed = String::from_utf8(output.stdout).expect("the output is UTF-8");
    printed.trim_end().to_owned()
}

/// Creates an account. Its management token is valid for longer than the test.
fn owner(nodes: &ThreeNodes) -> Owner {
    let uid: AccountId = operator(nodes, &["accounts", "create"])
        .parse()
        .expect("the output is a user id");
    let token = operator(nodes, &["accounts", "session", &uid.to_string()]);
    Owner {
        uid,
        issuer: format!("{}/v1/auth", nodes.url()),
        management_token: Box::new(move || token.clone()),
    }
}

/// Registers this many keys of the account, on each node in turn.
async fn bots(nodes: &ThreeNodes, owner: &Owner, count: usize) -> Vec<Arc<Bot>> {
    let apis = apis(nodes);
    let mut bots = Vec::new();
    for api in apis.iter().cycle().take(count) {
        bots.push(Arc::new(
            owner.register(api).await.expect("the registration succeeds"),
        ));
    }
    bots
}

/// Polls `ask` until it returns a value. Returns the value and the time that this took. Panics after
/// `deadline`; `what` names the expected event.
async fn until<T>(what: &str, deadline: Duration, mut ask: impl AsyncFnMut() -> Option<T>) -> (T, Duration) {
    let started = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return (answer, started.elapsed());
        }
        assert!(started.elapsed() < deadline, "{what}: not within {deadline:?}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
