//! Tests that three nodes behind HAProxy on one PostgreSQL server look like one service.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tm_auth_client::AuthApi;
use tm_auth_proto::{CompactJws, TokenResponse};
use tm_auth_testing::bot::Bot;
use tm_auth_testing::three_nodes::{NODES, ThreeNodes};

use super::{SETTINGS, binary, bots, operator, owner};

fn start() -> ThreeNodes {
    ThreeNodes::start(binary(), &SETTINGS)
}

/// The API at a base URL.
fn api(url: &str) -> AuthApi {
    AuthApi::new(url).expect("the base URL is valid")
}

/// Creates an account with one key.
async fn bot(nodes: &ThreeNodes) -> Arc<Bot> {
    bots(nodes, &owner(nodes), 1).await.remove(0)
}

/// The id of the key that signed the access token.
fn kid(tokens: &TokenResponse) -> String {
    let header = CompactJws::parse(&tokens.access_token)
        .expect("the token is a JWS")
        .header;
    header.kid.expect("the header has a key id")
}

#[tokio::test]
async fn b04_three_nodes_that_start_at_once_on_an_empty_database_sign_with_one_key() {
    let nodes = start();
    let listed = operator(&nodes, &["signing-keys", "list"]);
    let signing: Vec<&str> = listed
        .lines()
        .filter(|line| line.contains(" ES256 signing "))
        .collect();
    assert_eq!(signing.len(), 1, "{listed}");
    let jwks = api(nodes.url()).jwks().await.expect("the JWKS is served");
    let bot = bot(&nodes).await;
    let mut kids = BTreeSet::new();
    for node in NODES {
        let api = api(nodes.node_url(node));
        assert_eq!(api.jwks().await.expect("the JWKS is served"), jwks, "node {node}");
        kids.insert(kid(&api.mint(&bot.challenge()).await.expect("the mint succeeds")));
    }
    assert_eq!(kids.len(), 1);
    assert!(
        signing[0].starts_with(kids.first().expect("the set has one key id")),
        "{listed}"
    );
}

#[tokio::test]
async fn each_refresh_of_a_session_lands_on_another_node() {
    let nodes = start();
    let bot = bot(&nodes).await;
    let client = reqwest::Client::new();
    let call = async |path: &str, body: String| {
        let answer = client
            .post(format!("{}/v1/auth{path}", nodes.url()))
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await
            .expect("the service answers");
        let node = answer.headers()["x-served-by"]
            .to_str()
            .expect("the header is text")
            .to_owned();
        assert_eq!(answer.status(), 200, "{node}");
        (
            node,
            answer.json::<TokenResponse>().await.expect("the body has tokens"),
        )
    };
    let challenge = serde_json::to_string(&bot.challenge()).expect("plain JSON");
    let (minted_by, mut tokens) = call("/api-key/token", challenge).await;
    let mut served_by = vec![minted_by];
    for _ in NODES {
        let body = serde_json::json!({ "refresh_token": tokens.refresh_token });
        let (node, refreshed) = call("/token/refresh", body.to_string()).await;
        tokens = refreshed;
        served_by.push(node);
    }
    for pair in served_by.windows(2) {
        assert_ne!(pair[0], pair[1], "{served_by:?}");
    }
    assert_eq!(
        served_by.iter().collect::<BTreeSet<_>>().len(),
        3,
        "{served_by:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn j15_no_request_fails_while_nodes_restart_under_load() {
    let nodes = start();
    let stop = Arc::new(AtomicBool::new(false));
    let count = Arc::new(AtomicUsize::new(0));
    let mut load = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let bot = bot(&nodes).await;
        let api = api(nodes.url());
        let (stop, count) = (Arc::clone(&stop), Arc::clone(&count));
        load.spawn(async move {
            let mut tokens = api.mint(&bot.challenge()).await.expect("the mint succeeds");
            while !stop.load(Ordering::Relaxed) {
                let refreshed = api.refresh(&tokens.refresh_token).await;
                tokens = refreshed.expect("the refresh succeeds");
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    let nodes = tokio::task::spawn_blocking(move || {
        for node in NODES {
            nodes.restart_node(node);
        }
        nodes
    });
    let nodes = nodes.await.expect("the nodes restart");
    stop.store(true, Ordering::Relaxed);
    load.join_all().await;
    let refreshed = count.load(Ordering::Relaxed);
    assert!(refreshed > 100, "{refreshed}");
    drop(nodes);
}
