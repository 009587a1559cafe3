//! `/security`: the login methods and sessions of an account.

mod delete;
mod email;
mod overview;
mod sessions;

use tm_auth_core::Account;
use tm_auth_store::AuditAction;

use crate::support::{TestServer, Visitor};

const ADA: &str = "ada@example.com";

/// Logs in with a mailed code. Creates the account if the address is new.
async fn sign_in(server: &TestServer, browser: &mut Visitor<'_>, email: &str) {
    let fields = [("email", email), ("next", "/security")];
    let asked = browser.submit("/sign-in", &fields).await;
    assert_eq!(asked.location(), "/sign-in/code");
    let code = server.code_mail(email).code;
    let done = browser.submit("/sign-in/code", &[("code", &code)]).await;
    assert_eq!(done.location(), "/security");
}

/// A browser in which the owner of this address has just logged in.
async fn ada<'a>(server: &'a TestServer, email: &str) -> (Visitor<'a>, Account) {
    let mut browser = server.visitor();
    sign_in(server, &mut browser, email).await;
    let account = server.store.account_by_email(email).await.unwrap().unwrap();
    (browser, account)
}

/// The subjects of the mails to `address` except those with a link, oldest first.
fn told(server: &TestServer, address: &str) -> Vec<String> {
    let mut subjects: Vec<String> = server
        .inbox(address)
        .iter()
        .filter(|mail| !mail.text.contains("#token="))
        .map(|mail| mail.subject.clone())
        .collect();
    subjects.reverse();
    subjects
}

async fn audited(server: &TestServer, account: &Account, action: AuditAction) -> usize {
    let trail = server.store.audit_trail(Some(account.uid), 1000).await.unwrap();
    trail.iter().filter(|entry| entry.action == action).count()
}
