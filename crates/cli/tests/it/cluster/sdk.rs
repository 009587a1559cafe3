//! The platform's Python SDK, unchanged, against three nodes: each of its calls goes to another
//! node.
//!
//! The verifier fetches from one node directly, so that HAProxy's turns belong to the SDK alone.

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::sync::{Arc, Mutex};

use tempfile::TempDir;
use tm_auth_client::AuthApi;
use tm_auth_testing::three_nodes::ThreeNodes;
use tm_auth_verifier::Verifier;

use super::revocation::list;
use super::{SETTINGS, apis, binary, operator};
use crate::dev::tm_auth;
use crate::external_program::{Program, workspace};
use crate::platform::{self, ServedBy, WaitUntilAgreed};

/// Functions of `python/sdk.py`.
const SCENARIOS: [&str; 4] = [
    "mints_and_refreshes",
    "calls_the_platform",
    "an_ended_session_is_refused_and_a_new_mint_works",
    "a_revoked_key_is_refused_everywhere",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_sdk_works_with_three_nodes() {
    let script = workspace().join("crates/cli/tests/it/python/sdk.py");
    let sdk = Program::python("the SDK", &[script.to_str().expect("UTF-8")]);
    let nodes = ThreeNodes::start(binary(), &SETTINGS);
    let issuer = format!("{}/v1/auth", nodes.url());
    let node_base = format!("{}/v1/auth", nodes.node_url(3));
    let verifier = Verifier::builder(&issuer, nodes.url())
        .environment(tm_auth_proto::Environment::Uat)
        .jwks_url(format!("{node_base}/.well-known/jwks.json"))
        .revocations_url(format!("{node_base}/revocations"))
        .build()
        .expect("a verifier");
    verifier.refresh().await.expect("the node answers");
    let uid = operator(&nodes, &["accounts", "create", "--email", "bot@example.com"]);
    let token = operator(&nodes, &["accounts", "session", &uid]);
    let folder = TempDir::new().expect("a folder for the key");
    let key_file = folder.path().join("key.json");
    register(&nodes, &key_file, &token);

    let served = ServedBy::default();
    let advance: platform::Advance = Arc::new(|_| {});
    let platform_nodes = platform::Nodes {
        served_by: Arc::clone(&served),
        wait_until_agreed: wait_until_agreed(&nodes),
    };
    let origin = platform::start_with_nodes(nodes.url(), platform_nodes, verifier, advance).await;
    let settings = [
        ("TM_BASE_URL", origin.as_str()),
        ("TM_KEY_FILE", key_file.to_str().expect("UTF-8")),
        ("TM_TELEMETRY", "0"),
    ];
    for scenario in SCENARIOS {
        let arguments = match scenario {
            "a_revoked_key_is_refused_everywhere" => vec![scenario, &token],
            _ => vec![scenario],
        };
        let output = tokio::task::block_in_place(|| sdk.run(&settings, &arguments, ""));
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{scenario}: {stderr}");
        let served = std::mem::take(&mut *served.lock().expect("nothing panics while holding it"));
        assert!(
            served.windows(2).all(|pair| pair[0] != pair[1]),
            "{scenario}: {served:?}"
        );
        if served.len() >= 3 {
            assert_eq!(
                served.iter().collect::<BTreeSet<_>>().len(),
                3,
                "{scenario}: {served:?}"
            );
        }
    }
}

/// Waits until all three nodes list one revocation more than at the last call.
fn wait_until_agreed(nodes: &ThreeNodes) -> WaitUntilAgreed {
    let (apis, last) = (apis(nodes), Arc::new(Mutex::new(0)));
    Arc::new(move || {
        let (apis, last) = (apis.clone(), Arc::clone(&last));
        Box::pin(async move {
            let known = *last.lock().expect("nothing panics while holding it");
            for api in &apis {
                while listed(api).await == known {}
            }
            *last.lock().expect("nothing panics while holding it") = known + 1;
        })
    })
}

async fn listed(api: &AuthApi) -> usize {
    let list = list(api).await;
    list.sids.len() + list.keys.len()
}

/// Creates a key and registers it through HAProxy with the commands.
fn register(nodes: &ThreeNodes, key_file: &Path, token: &str) {
    let new = key_file.with_extension("new");
    let made = tm_auth().args(["key", "new", "--out"]).arg(&new).output();
    assert!(made.expect("the binary starts").status.success());
    let mut register = tm_auth()
        .args(["key", "register", "--label", "bot", "--token", "-", "--key-file"])
        .arg(&new)
        .arg("--out")
        .arg(key_file)
        .env("TM_BASE_URL", nodes.url())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("the binary starts");
    let mut stdin = register.stdin.take().expect("the stream is piped");
    stdin.write_all(token.as_bytes()).expect("the token is sent");
    drop(stdin);
    assert!(register.wait().expect("the process ends").success());
}
