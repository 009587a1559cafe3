//! The accounts, passkeys and keys of the scenes.

use std::sync::atomic::{AtomicU32, Ordering};

use reqwest::Method;
use serde_json::json;
use tm_auth_core::Account;
use tm_auth_store::AuditContext;
use tm_auth_store::passkey::{AddedBy, NewPasskey};

use super::super::apple::{configure, team_key};
use crate::support::{TestKey, TestServer};

/// Names with right-to-left text.
pub(super) const LABEL: &str = "בוט grid";
pub(super) const PASSKEY: &str = "טלפון (phone)";
/// The device of every session that a test opens.
pub(super) const DEVICE: &str = "Firefox on Linux";

/// A server that offers every login method and allows many e-mails.
pub(super) async fn server() -> TestServer {
    TestServer::start_with(|config| {
        configure(config, "https://appleid.apple.test", team_key().0);
        config.limits.codes_per_network_per_hour = 60_000;
        config.limits.wrong_codes_per_network_per_5_minutes = 60_000;
    })
    .await
}

pub(super) fn new_email() -> String {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    format!("user-{}@mail.example", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A passkey as the store has it: pages show it, and other tests check its ceremonies.
pub(super) async fn passkey(server: &TestServer, account: &Account, number: u8) {
    let mut credential_id = account.uid.0.as_bytes().to_vec();
    credential_id.push(number);
    let new = NewPasskey {
        credential_id,
        name: PASSKEY.to_owned(),
        credential: "{}".to_owned(),
        counter: 0,
        backup_eligible: false,
        backed_up: false,
        created_at: server.now(),
    };
    let audit_context = AuditContext::service(server.now());
    let added = server
        .store
        .add_passkey(account.uid, new, AddedBy::Proof, 20, &audit_context);
    added.await.unwrap().unwrap();
}

pub(super) async fn labelled_key(server: &TestServer, account: &Account) -> TestKey {
    register_key(server, account, false).await
}

pub(super) async fn pending_key(server: &TestServer, account: &Account) -> TestKey {
    register_key(server, account, true).await
}

async fn register_key(server: &TestServer, account: &Account, pending: bool) -> TestKey {
    let key = TestKey::unregistered(account);
    let mut body = key.registration(server.issuer(), server.now());
    body["label"] = json!(LABEL);
    body["pending"] = json!(pending);
    let answer = server
        .manage(account, Method::POST, "/api-keys", Some(body))
        .await;
    assert_eq!(answer.status, 201, "{answer:?}");
    key.registered(answer.body["key_id"].as_str().unwrap().parse().unwrap())
}
