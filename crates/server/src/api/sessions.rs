//! `GET|DELETE /sessions`, `DELETE /sessions/{sid}`: lists and ends the sessions of an account's
//! owner.
//!
//! Every login that may manage the account may list sessions and end its own. Ending other sessions
//! requires a fresh login. A session of another account is answered like a session that does not
//! exist.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Path, State};
use http::request::Parts;
use tm_auth_core::user::UserSession;
use tm_auth_proto::session::{Session as View, SessionList, SessionsEnded};
use tm_auth_proto::{ErrorCode, SessionId};

use super::failures::{AnyRequest, Managed};
use crate::app::management::Management;
use crate::app::{App, user_sessions};
use crate::error::ApiError;
use crate::http::context::Context;

/// The sessions in which the account's owner is logged in, newest first.
#[utoipa::path(get, path = "/sessions", tag = "Sessions", operation_id = "listSessions", security(("bearerAuth" = [])),
    responses((status = 200, body = SessionList), AnyRequest, Managed))]
pub(crate) async fn list(
    State(app): State<Arc<App>>,
    context: Context,
    management: Management,
) -> Result<axum::Json<SessionList>, ApiError> {
    let sessions = user_sessions::live(&app, &context, &management.account).await?;
    let sessions = sessions
        .iter()
        .map(|session| view(session, management.sid))
        .collect();
    Ok(axum::Json(SessionList { sessions }))
}

/// End one session. No refresh that starts after the response succeeds, and the revocation list has
/// the session.
#[utoipa::path(delete, path = "/sessions/{sid}", tag = "Sessions", operation_id = "endSession", security(("bearerAuth" = [])),
    params(("sid" = SessionId, Path)),
    responses((status = 200, body = SessionsEnded), (status = 404, body = tm_auth_proto::ErrorBody, description = "No such active session in this account."), AnyRequest, Managed))]
pub(crate) async fn end(
    State(app): State<Arc<App>>,
    context: Context,
    management: Management,
    SessionIdPath(sid): SessionIdPath,
) -> Result<axum::Json<SessionsEnded>, ApiError> {
    let uid = management.account.uid;
    if sid != management.sid {
        management.require_fresh(context.now)?;
    }
    user_sessions::end(&app, &context, uid, sid).await?;
    Ok(axum::Json(SessionsEnded { ended: 1 }))
}

/// End all sessions except the caller's.
#[utoipa::path(delete, path = "/sessions", tag = "Sessions", operation_id = "endOtherSessions", security(("bearerAuth" = [])),
    responses((status = 200, body = SessionsEnded), AnyRequest, Managed))]
pub(crate) async fn end_others(
    State(app): State<Arc<App>>,
    context: Context,
    management: Management,
) -> Result<axum::Json<SessionsEnded>, ApiError> {
    management.require_fresh(context.now)?;
    let ended = user_sessions::end_others(&app, &context, &management.account, management.sid).await?;
    Ok(axum::Json(SessionsEnded { ended }))
}

fn view(session: &UserSession, asking: SessionId) -> View {
    View {
        sid: session.sid,
        kind: session.kind.as_str().to_owned(),
        method: session.proof.method.as_str().to_owned(),
        device: session.device.clone(),
        ip: session.address,
        opened_at: session.opened_at,
        last_used_at: session.last_used_at,
        expires_at: session.idle_expires_at(),
        current: session.sid == asking,
    }
}

/// The session id in the path. A path segment that is not a session id is an unknown session.
pub(crate) struct SessionIdPath(SessionId);

impl<S: Send + Sync> FromRequestParts<S> for SessionIdPath {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.ok()
            .and_then(|Path(sid)| sid.parse().ok())
            .map(Self)
            .ok_or_else(|| ApiError::new(ErrorCode::SessionNotFound))
    }
}
