//! Sign in with Apple: against a real OpenID provider that behaves like Apple (`apple_provider/`),
//! and against a forger that signs any claims with its own keys.

mod flow;
mod forger;
mod id_token;
mod keys;
mod link;
mod notifications;
mod provider;
mod sign_in;

use std::collections::BTreeMap;

use reqwest::Method;
use tm_auth_core::Account;
use tm_auth_proto::{AccountId, OrganizationId};
use tm_auth_server::config::{Apple, P8Key};
use tm_auth_server::{Config, random};
use tm_auth_store::{AuditContext, NewAccount};

use crate::support::{Answer, TestServer, Visitor};

pub(crate) const CLIENT_ID: &str = "co.truemarkets.auth";
pub(crate) const TEAM_ID: &str = "TEAM123456";
pub(crate) const KEY_ID: &str = "KEY1234567";

/// The team's private key in the form that Apple gives, and its public key.
pub(crate) fn team_key() -> (P8Key, String) {
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
    (pair.serialize_pem().parse().unwrap(), pair.public_key_pem())
}

pub(crate) fn configure(config: &mut Config, issuer: &str, key: P8Key) {
    let apple = Apple::new(CLIENT_ID, TEAM_ID, KEY_ID, key);
    config.apple = Some(Apple {
        issuer: issuer.to_owned(),
        ..apple
    });
}

/// The URL to which a browser was sent, and its parameters.
#[derive(Clone, Debug)]
pub(crate) struct Departure {
    pub(crate) url: String,
    pub(crate) parameters: BTreeMap<String, String>,
}

impl Departure {
    pub(crate) fn of(answer: &Answer) -> Self {
        assert_eq!(answer.status, 303, "{answer:?}");
        let url = answer.header("location").to_owned();
        let query = url.split_once('?').unwrap().1;
        let parameters = query
            .split('&')
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap();
                (name.to_owned(), unescape(value))
            })
            .collect();
        Self { url, parameters }
    }

    pub(crate) fn get(&self, name: &str) -> &str {
        self.parameters.get(name).map_or("", String::as_str)
    }
}

fn unescape(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte == b'%' {
            let hex = [rest.next().unwrap(), rest.next().unwrap()];
            bytes.push(u8::from_str_radix(std::str::from_utf8(&hex).unwrap(), 16).unwrap());
        } else {
            bytes.push(byte);
        }
    }
    String::from_utf8(bytes).unwrap()
}

/// Presses the Apple button on the login page.
pub(crate) async fn leave(visitor: &mut Visitor<'_>) -> Departure {
    let answer = visitor.submit("/apple/start", &[("next", "/security")]).await;
    Departure::of(&answer)
}

/// Posts Apple's answer from Apple's site, so that the browser sends only the flow's cookie.
pub(crate) async fn come_back(visitor: &mut Visitor<'_>, fields: &[(&str, &str)]) -> Answer {
    let mut crossing = visitor.clone();
    crossing.cookies.retain(|name, _| name.ends_with("apple"));
    let body: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", escape(value)))
        .collect();
    let request = crossing
        .request(Method::POST, "/apple/callback")
        .header("origin", "https://appleid.apple.com")
        .header("sec-fetch-site", "cross-site")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body.join("&"));
    visitor.send(request).await
}

fn escape(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

/// The account of the browser's live session.
pub(crate) async fn signed_in(server: &TestServer, visitor: &Visitor<'_>) -> Option<Account> {
    let sid = visitor.sid()?;
    let (session, account) = server.store.user_session(sid).await.unwrap()?;
    session
        .check_usable(&account, server.now())
        .ok()
        .map(|()| account)
}

/// The actions of an account's trail, oldest first.
pub(crate) async fn trail(server: &TestServer, account: &Account) -> Vec<String> {
    let entries = server.store.audit_trail(Some(account.uid), 100).await.unwrap();
    entries
        .iter()
        .rev()
        .map(|entry| entry.action.to_string())
        .collect()
}

/// Creates an account with this address.
pub(crate) async fn account_with(server: &TestServer, email: &str) -> Account {
    let fresh = || uuid::Builder::from_random_bytes(random::bytes()).into_uuid();
    let new = NewAccount {
        uid: AccountId(fresh()),
        organization_id: OrganizationId(fresh()),
        email: Some(email.parse().unwrap()),
        created_at: server.now(),
    };
    let audit_context = AuditContext::operator(server.now());
    server
        .store
        .create_account(new, &audit_context)
        .await
        .unwrap()
        .unwrap()
}

/// Asserts an error page.
#[track_caller]
pub(crate) fn assert_page(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert!(
        answer.header("content-type").starts_with("text/html"),
        "{answer:?}"
    );
    assert!(
        answer.text.contains(&format!("<code>{code}</code>")),
        "{answer:?}"
    );
}

/// The subject of the newest mail to this address.
pub(crate) fn newest_mail(server: &TestServer, to: &str) -> Option<String> {
    let mails = server.app.mailbox().unwrap();
    let newest = mails.iter().find(|mail| mail.to == to);
    newest.map(|mail| mail.subject.clone())
}
