//! Mails that notify the owner of an account of each change of its credentials.
//!
//! The mail goes to the account's verified address, or to its contact address if there is none. The
//! change is made and acknowledged whether or not the mail can be sent.

use tm_auth_core::Account;
use tm_auth_store::error::Chain;

use crate::app::App;
use crate::http::context::Context;
use crate::mail::templates::{self, Notice};

/// Mails the owner at the address of `account`. A caller that deletes the account must read it
/// first.
pub(crate) async fn tell(app: &App, context: &Context, account: &Account, notice: Notice) {
    if !app.mail.is_available() {
        return;
    }
    let to = match &notice {
        Notice::EmailChanged { old, .. } => Some(old.clone()),
        _ => owner(app, account).await,
    };
    let Some(to) = to else { return };
    let mail = templates::notice(app.letterhead(), context, &to, &notice);
    if let Err(error) = app.mail.send(mail) {
        tracing::warn!(
            code = error.code.as_str(),
            "a notice to the owner of an account was not sent"
        );
    }
}

/// The verified address of the owner, or the contact address if there is none.
async fn owner(app: &App, account: &Account) -> Option<String> {
    if account.email.is_some() {
        return account.email.clone();
    }
    match app.store.contact_email(account.uid).await {
        Ok(contact) => contact,
        Err(error) => {
            tracing::warn!(error = %Chain(&error), "an owner's contact address could not be read");
            None
        }
    }
}
