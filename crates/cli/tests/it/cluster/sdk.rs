//! Runs the platform's unchanged Python SDK against three nodes. Consecutive calls go to different
//! nodes.
//!
//! The verifier fetches from one node directly, so that only the SDK's calls advance HAProxy's round
//! robin.

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
    let sdk = Program::python("the SDK", &[script.to_str().expect("the path is UTF-8")]);
    let nodes = ThreeNodes::start(binary(), &SETTINGS);
    let issuer = format!("{}/v1/auth", nodes.url());
    let node_base = format!("{}/v1/auth", nodes.node_url(3));
    let verifier = Verifier::builder(&issuer, nodes.url())
        .environment(tm_auth_proto::Environment::Uat)
        .jwks_url(format!("{node_base}/.well-known/jwks.json"))
        .revocations_url(format!("{node_base}/revocations"))
        .build()
        .expect("the verifier can be built");
    verifier.refresh().await.expect("the node answers");
    let uid = operator(&nodes, &["accounts", "create", "--email", "bot@example.com"]);
    let token = operator(&nodes, &["accounts", "session", &uid]);
    let folder = TempDir::new().expect("a folder can be created");
    let key_file = folder.path().join("key.json");
    register(&nodes, &key_file, &token);

    let served_by = ServedBy::default();
    let advance: platform::Advance = Arc::new(|_| {});
    let platform_nodes = platform::Nodes {
        served_by: Arc::clone(&served_by),
        wait_until_agreed: wait_until_agreed(&nodes),
    };
    let origin = platform::start_with_nodes(nodes.url(), platform_nodes, verifier, advance).await;
    let settings = [
        ("TM_BASE_URL", origin.as_str()),
        ("TM_KEY_FILE", key_file.to_str().expect("the path is UTF-8")),
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
        let served = std::mem::take(&mut *served_by.lock().expect("nothing panics while holding it"));
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
    let (apis, last_count) = (apis(nodes), Arc::new(Mutex::new(0)));
    Arc::new(move || {
        let (apis, last_count) = (apis.clone(), Arc::clone(&last_count));
        Box::pin(async move {
            let known = *last_count.lock().expect("nothing panics while holding it");
            for api in &apis {
                while revocation_count(api).await == known {}
            }
            *last_count.lock().expect("nothing panics while holding it") = known + 1;
        })
    })
}

/// The number of revocations that a node lists.
async fn revocation_count(api: &AuthApi) -> usize {
    let list = list(api).await;
    list.sids.len() + list.keys.len()
}

/// Creates a key with `tm-auth key new` and registers it with `tm-auth key register` through
/// HAProxy.
fn register(nodes: &ThreeNodes, key_file: &Path, token: &str) {
    let unregistered = key_file.with_extension("new");
    let created = tm_auth()
        .args(["key", "new", "--out"])
        .arg(&unregistered)
        .output();
    assert!(created.expect("the binary starts").status.success());
    let mut register = tm_auth()
        .args(["key", "register", "--label", "bot", "--token", "-", "--key-file"])
        .arg(&unregistered)
        .arg("--out")
        .arg(key_file)
        .env("TM_BASE_URL", nodes.url())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .expect("the binary starts");
    let mut stdin = register.stdin.take().expect("stdin is piped");
    stdin.write_all(token.as_bytes()).expect("the token is sent");
    drop(stdin);
    assert!(register.wait().expect("the process exits").success());
}
