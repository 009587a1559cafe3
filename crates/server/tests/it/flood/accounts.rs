//! Floods by one logged-in owner, from many sites: the account is charged, and others are served.

use std::cell::Cell;

use reqwest::Method;
use serde_json::json;
use tm_auth_core::Account;
use tm_auth_server::Config;

use super::super::passkeys::{ADD, SIGN_IN};
use super::Levels;
use super::parties::{Limit, in_another_site, start_with};
use crate::support::authenticator::Authenticator;
use crate::support::{Answer, TestKey, TestServer, rows};

const LEVELS: Levels = &["account"];

/// The two owners of a flood.
struct Owners {
    server: TestServer,
    loud: Account,
    quiet: Account,
}

impl Owners {
    async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        let server = start_with(change).await;
        let (loud, quiet) = (server.account().await, server.account().await);
        Self { server, loud, quiet }
    }

    /// Floods with requests of one owner. The same request of the other owner is served.
    async fn flood(&self, limit: Limit, send: impl AsyncFn(String, &Account) -> Answer) {
        limit
            .flood(in_another_site, async |from| send(from, &self.loud).await)
            .await;
        limit.assert_served(&send("192.0.2.1".to_owned(), &self.quiet).await);
        limit.assert_refused(&send("192.0.2.1".to_owned(), &self.loud).await);
    }

    async fn register(&self, from: &str, owner: &Account, pending: bool) -> Answer {
        let key = TestKey::unregistered(owner);
        let mut body = key.registration(self.server.issuer(), self.server.now());
        body["pending"] = json!(pending);
        self.server
            .manage_from(from, owner, Method::POST, "/api-keys", Some(&body))
            .await
    }

    /// Registers a key for each of the two owners.
    async fn paths_of_keys(&self) -> [String; 2] {
        let loud = self.server.key_of(&self.loud).await;
        let quiet = self.server.key_of(&self.quiet).await;
        [loud, quiet].map(|key| format!("/api-keys/{}", key.id()))
    }
}

pub(super) async fn requests() -> Levels {
    let owners = Owners::start_with(|config| config.limits.requests_per_account_per_minute = 20).await;
    let sent = Cell::new(0);
    owners
        .flood(Limit::rate(20, 200), async |from: String, owner: &Account| {
            let paths = ["/api-keys", "/sessions"];
            let path = paths[sent.replace(sent.get() + 1) % paths.len()];
            owners
                .server
                .manage_from(&from, owner, Method::GET, path, None)
                .await
        })
        .await;
    LEVELS
}

pub(super) async fn changes() -> Levels {
    // One of them registers the key.
    let owners = Owners::start_with(|config| config.limits.changes_per_account_per_minute = 11).await;
    let [path, of_quiet] = owners.paths_of_keys().await;
    let sent = Cell::new(0);
    owners
        .flood(Limit::rate(10, 200), async |from: String, owner: &Account| {
            let number = sent.replace(sent.get() + 1);
            let path = if owner == &owners.loud { &path } else { &of_quiet };
            let body = json!({ "label": format!("bot {number}") });
            owners
                .server
                .manage_from(&from, owner, Method::PATCH, path, Some(&body))
                .await
        })
        .await;
    let key = owners.server.manage(&owners.loud, Method::GET, &path, None).await;
    assert_eq!(key.body["label"], "bot 9", "a refused request changes nothing");
    // The owner can still take access away.
    let revoked = owners
        .server
        .manage(&owners.loud, Method::DELETE, &path, None)
        .await;
    assert_eq!(revoked.status, 200, "{revoked:?}");
    LEVELS
}

pub(super) async fn removals() -> Levels {
    let owners = Owners::start_with(|config| config.limits.changes_per_account_per_minute = 10).await;
    let [path, of_quiet] = owners.paths_of_keys().await;
    let kept = owners.server.key_of(&owners.loud).await;
    owners
        .flood(Limit::rate(10, 200), async |from: String, owner: &Account| {
            let path = if owner == &owners.loud { &path } else { &of_quiet };
            owners
                .server
                .manage_from(&from, owner, Method::DELETE, path, None)
                .await
        })
        .await;
    let path = format!("/api-keys/{}", kept.id());
    for (method, body) in [
        (Method::DELETE, None),
        (Method::PATCH, Some(json!({ "disabled": true }))),
    ] {
        let answer = owners.server.manage(&owners.loud, method, &path, body).await;
        answer.assert_error(429, "rate_limited");
    }
    owners.server.mint(&kept).await;
    LEVELS
}

pub(super) async fn keys() -> Levels {
    let owners = Owners::start_with(|config| config.api_keys.max_per_account = 3).await;
    let limit = Limit {
        requests: 3,
        served: 201,
        refused: (409, "key_limit_reached"),
    };
    for pending in [true, false] {
        owners
            .flood(limit, async |from: String, owner: &Account| {
                owners.register(&from, owner, pending).await
            })
            .await;
    }
    assert_eq!(rows(&owners.server, "SELECT 1 FROM api_keys").len(), 3 + 3 + 2);
    LEVELS
}

pub(super) async fn key_registrations() -> Levels {
    let owners = Owners::start_with(|config| config.api_keys.max_registrations_per_day = 10).await;
    owners
        .flood(Limit::rate(10, 201), async |from: String, owner: &Account| {
            let answer = owners.register(&from, owner, false).await;
            if let Some(key_id) = answer.body["key_id"].as_str() {
                let path = format!("/api-keys/{key_id}");
                let revoked = owners.server.manage(owner, Method::DELETE, &path, None).await;
                assert_eq!(revoked.status, 200, "{revoked:?}");
            }
            answer
        })
        .await;
    assert_eq!(rows(&owners.server, "SELECT 1 FROM api_keys").len(), 10 + 1);
    LEVELS
}

pub(super) async fn sessions() -> Levels {
    let owners = Owners::start_with(|config| config.limits.mints_per_account_per_day = 10).await;
    let loud = [
        owners.server.key_of(&owners.loud).await,
        owners.server.key_of(&owners.loud).await,
    ];
    let quiet = owners.server.key_of(&owners.quiet).await;
    let sent = Cell::new(0);
    owners
        .flood(Limit::rate(10, 200), async |from: String, owner: &Account| {
            let key = match sent.replace(sent.get() + 1) {
                number if owner == &owners.loud => &loud[number % 2],
                _ => &quiet,
            };
            let body = key.challenge(owners.server.now());
            owners.server.post_from(&from, "/api-key/token", &body).await
        })
        .await;
    assert_eq!(rows(&owners.server, "SELECT 1 FROM sessions").len(), 10 + 1);
    LEVELS
}

pub(super) async fn user_sessions() -> Levels {
    // One of them is the step-up that verifies a new account's passkey.
    let owners = Owners::start_with(|config| config.limits.logins_per_account_per_hour = 56).await;
    let server = &owners.server;
    let (mut loud, mut quiet) = (Authenticator::new(), Authenticator::new());
    let (account, _) = server.with_address(&mut loud).await;
    server.with_address(&mut quiet).await;
    let log_in = async |from: &str, with: &mut Authenticator| {
        let mut visitor = server.visitor_at(from);
        visitor.use_passkey(SIGN_IN, with, &server.origin).await
    };
    let limit = Limit::rate(55, 200);
    for number in 0..limit.requests {
        let answer = log_in(&in_another_site(number), &mut loud).await;
        limit.assert_served(&answer);
    }
    limit.assert_refused(&log_in("192.0.2.1", &mut loud).await);
    limit.assert_served(&log_in("192.0.2.1", &mut quiet).await);
    limit.assert_refused(&log_in("192.0.2.1", &mut loud).await);
    let open = server.store.user_sessions_of(account.uid).await.unwrap();
    assert_eq!(open.len(), 50);
    LEVELS
}

pub(super) async fn passkeys() -> Levels {
    let owners = Owners::start_with(|_| {}).await;
    let server = &owners.server;
    let (account, loud) = server.with_address(&mut Authenticator::new()).await;
    let (_, mut quiet) = server.with_address(&mut Authenticator::new()).await;
    let limit = Limit {
        requests: 19,
        served: 201,
        refused: (409, "passkey_limit_reached"),
    };
    limit
        .flood(in_another_site, async |from| {
            let mut browser = loud.clone();
            browser.forwarded_for = Some(from);
            browser
                .create(ADD, &mut Authenticator::new(), &server.origin)
                .await
        })
        .await;
    let added = quiet.create(ADD, &mut Authenticator::new(), &server.origin).await;
    limit.assert_served(&added);
    assert_eq!(server.store.passkeys_of(account.uid).await.unwrap().len(), 20);
    LEVELS
}
