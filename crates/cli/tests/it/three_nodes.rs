//! Three real nodes on one PostgreSQL, behind HAProxy: for a client they are one service.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tm_auth_client::{AuthApi, Signer};
use tm_auth_proto::{AccountId, ApiKeyTokenRequest, CompactJws, KeyId, RegisterApiKey, TokenResponse};
use tm_auth_testing::three_nodes::{NODES, ThreeNodes};

use crate::harness::now;

/// Limits that no test comes near, and keys that are made at once.
const SETTINGS: [(&str, &str); 4] = [
    ("TOKENS__ALGORITHM", "ES256"),
    ("LIMITS__PROVEN_PER_KEY_PER_MINUTE", "60000"),
    ("LIMITS__REFRESH_PER_SESSION_PER_MINUTE", "60000"),
    ("LIMITS__UNPROVEN_PER_ADDRESS_PER_MINUTE", "600000"),
];

fn start() -> ThreeNodes {
    ThreeNodes::start(Path::new(env!("CARGO_BIN_EXE_tm-auth")), &SETTINGS)
}

/// A base URL's API.
fn api(url: &str) -> AuthApi {
    AuthApi::new(url).expect("a base URL")
}

/// What an operator's command prints.
fn operator(nodes: &ThreeNodes, arguments: &[&str]) -> String {
    let output = nodes.command(arguments).output().expect("the binary starts");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {told}");
    let printed = String::from_utf8(output.stdout).expect("UTF-8");
    printed.trim_end().to_owned()
}

/// A program with a key.
struct Bot {
    key_id: KeyId,
    signer: Signer,
}

impl Bot {
    async fn register(nodes: &ThreeNodes) -> Self {
        let uid: AccountId = operator(nodes, &["accounts", "create"])
            .parse()
            .expect("it prints the uid");
        let management_token = operator(nodes, &["accounts", "session", &uid.to_string()]);
        let signer = Signer::generate().expect("the library works");
        let issuer = format!("{}/v1/auth", nodes.url());
        let proof = signer
            .registration_proof(&issuer, uid, now())
            .expect("the library works");
        let request = RegisterApiKey {
            label: "bot".to_owned(),
            public_key: signer.public_jwk(),
            proof,
            scopes: None,
            expires_at: None,
            allowed_ips: Vec::new(),
            pending: false,
        };
        let key = api(nodes.url())
            .register_api_key(&management_token, &request)
            .await
            .expect("it may be registered");
        Self {
            key_id: key.key_id,
            signer,
        }
    }

    fn challenge(&self) -> ApiKeyTokenRequest {
        self.signer.mint_request(self.key_id, now()).expect("a signature")
    }
}

/// The key that signed an access token.
fn kid(tokens: &TokenResponse) -> String {
    let header = CompactJws::parse(&tokens.access_token).expect("a JWS").header;
    header.kid.expect("it names its key")
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
    let jwks = api(nodes.url()).jwks().await.expect("an answer");
    let bot = Bot::register(&nodes).await;
    let mut kids = BTreeSet::new();
    for node in NODES {
        let api = api(nodes.node_url(node));
        assert_eq!(api.jwks().await.expect("an answer"), jwks, "node {node}");
        kids.insert(kid(&api.mint(&bot.challenge()).await.expect("it mints")));
    }
    assert_eq!(kids.len(), 1);
    assert!(signing[0].starts_with(kids.first().expect("one")), "{listed}");
}

#[tokio::test]
async fn each_refresh_of_a_session_lands_on_another_node() {
    let nodes = start();
    let bot = Bot::register(&nodes).await;
    let client = reqwest::Client::new();
    let call = async |path: &str, body: String| {
        let answer = client
            .post(format!("{}/v1/auth{path}", nodes.url()))
            .header("content-type", "application/json")
            .body(body)
            .send()
            .await
            .expect("an answer");
        let node = answer.headers()["x-served-by"]
            .to_str()
            .expect("a name")
            .to_owned();
        assert_eq!(answer.status(), 200, "{node}");
        (node, answer.json::<TokenResponse>().await.expect("tokens"))
    };
    let challenge = serde_json::to_string(&bot.challenge()).expect("plain JSON");
    let (minted_by, mut tokens) = call("/api-key/token", challenge).await;
    let mut served = vec![minted_by];
    for _ in NODES {
        let body = serde_json::json!({ "refresh_token": tokens.refresh_token });
        let (node, refreshed) = call("/token/refresh", body.to_string()).await;
        tokens = refreshed;
        served.push(node);
    }
    for pair in served.windows(2) {
        assert_ne!(pair[0], pair[1], "{served:?}");
    }
    assert_eq!(served.iter().collect::<BTreeSet<_>>().len(), 3, "{served:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn j15_nodes_stop_and_come_back_under_load_and_no_request_fails() {
    let nodes = start();
    let stop = Arc::new(AtomicBool::new(false));
    let count = Arc::new(AtomicUsize::new(0));
    let mut load = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let bot = Bot::register(&nodes).await;
        let api = api(nodes.url());
        let (stop, count) = (Arc::clone(&stop), Arc::clone(&count));
        load.spawn(async move {
            let mut tokens = api.mint(&bot.challenge()).await.expect("it mints");
            while !stop.load(Ordering::Relaxed) {
                let refreshed = api.refresh(&tokens.refresh_token).await;
                tokens = refreshed.expect("no node is missed");
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
    let nodes = nodes.await.expect("the nodes come back");
    stop.store(true, Ordering::Relaxed);
    load.join_all().await;
    let refreshed = count.load(Ordering::Relaxed);
    assert!(refreshed > 100, "{refreshed}");
    drop(nodes);
}
