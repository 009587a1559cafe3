//! The sessions in which the owner of an account is signed in, and their end.

use tm_auth_core::Account;
use tm_auth_core::person::PersonSession;
use tm_auth_proto::{AccountId, ErrorCode, SessionId};

use super::{App, notices};
use crate::error::ApiError;
use crate::http::context::Context;
use crate::mail::templates::Notice;

/// Ends one session of an account. No refresh that begins after this returned succeeds, and its
/// access tokens are on the revocation list.
pub(crate) async fn end(
    app: &App,
    context: &Context,
    uid: AccountId,
    sid: SessionId,
) -> Result<(), ApiError> {
    let origin = context.origin(uid);
    if !app.store.end_person_session(uid, sid, &origin).await? {
        return Err(ApiError::new(ErrorCode::SessionNotFound));
    }
    Ok(app.reload_revocations().await?)
}

/// Ends every session of an account but one, and tells its owner if that changed anything.
pub(crate) async fn end_all_but(
    app: &App,
    context: &Context,
    account: &Account,
    keep: Option<SessionId>,
) -> Result<u64, ApiError> {
    let origin = context.origin(account.uid);
    let ended = app.store.end_person_sessions(account.uid, keep, &origin).await?;
    if ended > 0 {
        app.reload_revocations().await?;
        notices::tell(app, context, account, Notice::SignedOutEverywhere).await;
    }
    Ok(ended)
}

/// The sessions of an account that are neither ended nor expired.
pub(crate) async fn live(
    app: &App,
    context: &Context,
    account: &Account,
) -> Result<Vec<PersonSession>, ApiError> {
    let mut sessions = app.store.person_sessions_of(account.uid).await?;
    sessions.retain(|session| session.permit(account, context.now).is_ok());
    Ok(sessions)
}
