//! Tests of `/passkeys/…`, with a software authenticator against the running service.

mod add;
mod assertion;
mod client_data;
mod failures;
mod malformed;
mod manage;
mod pages;
mod recovery;
mod registration;
mod sign_in;

use reqwest::Method;
use serde_json::{Value, json};
use tm_auth_core::Account;
use tm_auth_core::user::AuthMethod;
use tm_auth_proto::{AccountId, OrganizationId};
use tm_auth_server::random;
use tm_auth_store::passkey::Passkey;
use tm_auth_store::{AuditAction, AuditContext, NewAccount};
use uuid::Builder;

use crate::support::authenticator::Authenticator;
use crate::support::{Answer, TestServer, Visitor};

// `SIGN_UP` and `ADD` register a passkey; `SIGN_IN` and `STEP_UP` use one. Each path with
// `/options` appended returns the options of its ceremony.
pub(super) const SIGN_UP: &str = "/passkeys/sign-up";
pub(super) const ADD: &str = "/passkeys/add";
pub(super) const SIGN_IN: &str = "/passkeys/sign-in";
pub(super) const STEP_UP: &str = "/passkeys/step-up";

impl Visitor<'_> {
    /// Begins a ceremony. Returns its options.
    pub(crate) async fn begin(&mut self, path: &str) -> Value {
        let answer = self.try_begin(path).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body
    }

    async fn try_begin(&mut self, path: &str) -> Answer {
        let body = match path {
            SIGN_UP => Some(json!({ "display_name": "Ada" })),
            ADD => Some(json!({ "name": "key ring" })),
            _ => None,
        };
        self.call(Method::POST, &format!("{path}/options"), body.as_ref())
            .await
    }

    /// Finishes a ceremony: posts the authenticator's answer.
    pub(crate) async fn finish(&mut self, path: &str, answer: &Value) -> Answer {
        self.call(Method::POST, path, Some(answer)).await
    }

    /// Registers a passkey: a whole ceremony.
    pub(super) async fn create(&mut self, path: &str, with: &mut Authenticator, origin: &str) -> Answer {
        let options = self.begin(path).await;
        let answer = with.create(&options, origin).answer();
        self.finish(path, &answer).await
    }

    /// Logs in or steps up with a passkey: a whole ceremony.
    pub(super) async fn use_passkey(&mut self, path: &str, with: &mut Authenticator, origin: &str) -> Answer {
        let options = self.begin(path).await;
        let answer = with.get(&options, origin).answer(with);
        self.finish(path, &answer).await
    }
}

impl TestServer {
    /// Signs up with this authenticator. Returns the account and the logged-in browser.
    pub(crate) async fn signed_up(&self, with: &mut Authenticator) -> (Account, Visitor<'_>) {
        let mut visitor = self.visitor();
        let answer = visitor.create(SIGN_UP, with, &self.origin).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        (self.account_of(&visitor).await, visitor)
    }

    /// The account of the browser's live session.
    async fn account_of(&self, visitor: &Visitor<'_>) -> Account {
        let sid = visitor.sid().expect("the browser has a session cookie");
        let (session, account) = self.store.user_session(sid).await.unwrap().unwrap();
        assert_eq!(session.ended, None);
        account
    }

    /// Creates an account with an address and this authenticator. Returns it and a browser that
    /// logged in with the passkey.
    pub(super) async fn with_address(&self, with: &mut Authenticator) -> (Account, Visitor<'_>) {
        let uid = AccountId(Builder::from_random_bytes(random::bytes()).into_uuid());
        let new = NewAccount {
            uid,
            organization_id: OrganizationId(Builder::from_random_bytes(random::bytes()).into_uuid()),
            email: Some(format!("{uid}@example.com").parse().unwrap()),
            created_at: self.now(),
        };
        let created = self
            .store
            .create_account(new, &AuditContext::operator(self.now()))
            .await;
        let account = created.unwrap().unwrap();
        let mut visitor = self.signed_in(&account, AuthMethod::EmailCode).await;
        let answer = visitor.create(ADD, with, &self.origin).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let answer = visitor.use_passkey(STEP_UP, with, &self.origin).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        (account, visitor)
    }

    async fn passkey(&self, of: &Authenticator) -> Option<Passkey> {
        let found = self.store.passkey(of.credential_id.clone()).await.unwrap();
        found.map(|(passkey, _)| passkey)
    }

    /// The subjects of the mails to an account, oldest first.
    fn mails_to(&self, account: &Account) -> Vec<String> {
        let mails = self.app.mailbox().unwrap();
        let to_account = mails
            .iter()
            .filter(|mail| Some(&mail.to) == account.email.as_ref());
        let mut subjects: Vec<String> = to_account.map(|mail| mail.subject.clone()).collect();
        // The mailbox lists the newest mail first.
        subjects.reverse();
        subjects
    }

    /// The number of audit entries of the account with this action.
    async fn audit_count(&self, account: &Account, action: AuditAction) -> usize {
        let trail = self.store.audit_trail(Some(account.uid), 1000).await.unwrap();
        trail.iter().filter(|entry| entry.action == action).count()
    }
}
