//! Lists and ends the sessions in which the owner of an account is logged in.

use tm_auth_core::Account;
use tm_auth_core::user::UserSession;
use tm_auth_proto::{AccountId, ErrorCode, SessionId};

use super::App;
use crate::error::ApiError;
use crate::http::context::Context;

/// Ends one session of an account. When this returns, no later refresh succeeds, and the revocation
/// list has the session.
pub(crate) async fn end(
    app: &App,
    context: &Context,
    uid: AccountId,
    sid: SessionId,
) -> Result<(), ApiError> {
    let audit_context = context.audit_context(uid);
    if !app.store.end_user_session(uid, sid, &audit_context).await? {
        return Err(ApiError::new(ErrorCode::SessionNotFound));
    }
    Ok(app.take_over_changes().await?)
}

/// Ends all sessions of an account except the caller's. Notifies the owner if there were any.
pub(crate) async fn end_others(
    app: &App,
    context: &Context,
    account: &Account,
    asking: SessionId,
) -> Result<u64, ApiError> {
    end_all_but(app, context, account, Some(asking)).await
}

/// Ends all sessions of an account. Notifies the owner if there were any.
pub(crate) async fn end_all(app: &App, context: &Context, account: &Account) -> Result<u64, ApiError> {
    end_all_but(app, context, account, None).await
}

/// Returns the sessions of an account that have neither ended nor expired.
pub(crate) async fn live(
    app: &App,
    context: &Context,
    account: &Account,
) -> Result<Vec<UserSession>, ApiError> {
    let mut sessions = app.store.user_sessions_of(account.uid).await?;
    sessions.retain(|session| session.check_usable(account, context.now).is_ok());
    Ok(sessions)
}

async fn end_all_but(
    app: &App,
    context: &Context,
    account: &Account,
    keep: Option<SessionId>,
) -> Result<u64, ApiError> {
    let audit_context = context.audit_context(account.uid);
    let ended = app
        .store
        .end_user_sessions(account.uid, keep, &audit_context)
        .await?;
    if ended > 0 {
        app.take_over_changes().await?;
        app.mail.send_waiting().await;
    }
    Ok(ended)
}
