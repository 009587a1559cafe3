//! What the owner of an account is told by mail: each change of what can act for it.
//!
//! The mail goes to the address that the account proved here, else to its contact address. It never decides
//! whether the change is made: that is done and acknowledged, with or without somebody to tell.

use tm_auth_core::Account;

use crate::app::App;
use crate::http::context::Context;
use crate::mail::templates::{self, Notice};

/// Mails the owner, as `account` was when it was read. Who deletes the account reads it before.
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
        tracing::warn!(code = error.code.as_str(), "an owner was not told of a change");
    }
}

/// Where mail for the owner goes.
async fn owner(app: &App, account: &Account) -> Option<String> {
    if account.email.is_some() {
        return account.email.clone();
    }
    match app.in_time(app.store.contact_email(account.uid)).await {
        Ok(contact) => contact,
        Err(error) => {
            tracing::warn!(%error, "an owner's contact address could not be read");
            None
        }
    }
}
