//! `/api-keys` and `/api-keys/{key_id}`.

mod activate;
mod budget;
mod dead;
mod disable;
mod others;
mod private_key;
mod proof;
mod public_key;
mod refusals;
mod register;
mod revoke;
mod update;

use reqwest::Method;
use serde_json::Value;

use crate::support::{Answer, TestKey, TestServer};

pub(crate) const PATH: &str = "/api-keys";

pub(crate) fn path_of(key: &TestKey) -> String {
    format!("{PATH}/{}", key.id())
}

/// Registers the key with this form of its public key and a valid proof.
async fn register_as(server: &TestServer, key: &TestKey, public_key: Value) -> Answer {
    let mut body = key.registration(server.issuer(), server.now());
    body["public_key"] = public_key;
    server.manage(&key.account, Method::POST, PATH, Some(body)).await
}

async fn key_count(server: &TestServer, key: &TestKey) -> usize {
    server
        .store
        .live_api_keys(key.account.uid, server.now())
        .await
        .unwrap()
        .len()
}
