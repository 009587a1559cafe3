//! A login: opens a session for an authenticated user.
//!
//! 1. The caller of this module has authenticated the user with a passkey, a code, a link or Apple,
//!    and has the account.
//! 2. [`browser`] opens a session whose secret becomes a cookie. The browser's previous session
//!    ends in the same step, so that a cookie from before the login is worthless.
//! 3. [`native`] opens a session for a program and issues tokens for the platform, or for managing
//!    credentials.

use tm_auth_core::Account;
use tm_auth_core::rotation::TokenFamily;
use tm_auth_core::secret::SessionSecret;
use tm_auth_core::token::{access, refresh};
use tm_auth_core::user::{AuthMethod, Proof, SessionKind, UserSession, session_id};
use tm_auth_listener::NetworkPrefix;
use tm_auth_proto::{ErrorCode, SessionId, TokenResponse};
use tm_auth_store::{AuditAction, AuditEntry};

use super::{App, tokens};
use crate::error::ApiError;
use crate::http::context::Context;
use crate::random;

/// Step 2. `replaces` is the browser's previous session.
pub(crate) async fn browser(
    app: &App,
    context: &Context,
    device: String,
    account: &Account,
    method: AuthMethod,
    replaces: Option<SessionId>,
) -> Result<(SessionId, SessionSecret), ApiError> {
    let secret = SessionSecret::new(random::bytes());
    let session = new_session(context, device, account, method, SessionKind::Browser, &secret);
    let sid = session.sid;
    open(app, context, session, replaces).await?;
    Ok((sid, secret))
}

/// Step 3. `kind` decides what the tokens are for.
pub(crate) async fn native(
    app: &App,
    context: &Context,
    device: String,
    account: &Account,
    method: AuthMethod,
    kind: SessionKind,
) -> Result<TokenResponse, ApiError> {
    app.may_issue_tokens()?;
    let keys = app.keys();
    let secret = SessionSecret::new(random::bytes());
    let session = UserSession {
        mac_kid: Some(keys.mac().kid().to_owned()),
        ..new_session(context, device, account, method, kind, &secret)
    };
    open(app, context, session.clone(), None).await?;
    Ok(tokens(app, context, &session, account, &secret, keys.mac()))
}

/// Issues the tokens of a session in its current state.
pub(crate) fn tokens(
    app: &App,
    context: &Context,
    session: &UserSession,
    account: &Account,
    secret: &SessionSecret,
    mac: &tm_auth_core::signing::MacKey,
) -> TokenResponse {
    let (sid, proof, jti) = (session.sid, session.proof, random::bytes());
    let claims = match session.kind {
        SessionKind::Management => app
            .issuer
            .management_claims(account, sid, proof, jti, context.now),
        SessionKind::Native | SessionKind::Browser => {
            app.issuer
                .user_claims(account, sid, proof, session.expires_at, jti, context.now)
        }
    };
    let refresh_token = refresh::issue(
        sid,
        &session.family,
        session.idle_expires_at(),
        secret,
        &app.issuer.url,
        app.issuer.environment,
        mac,
    );
    let access_token = access::sign(&claims, app.keys().signing());
    tokens::response(access_token, refresh_token, None)
}

fn new_session(
    context: &Context,
    device: String,
    account: &Account,
    method: AuthMethod,
    kind: SessionKind,
    secret: &SessionSecret,
) -> UserSession {
    let now = context.now;
    UserSession {
        sid: session_id(now, &random::bytes()),
        uid: account.uid,
        kind,
        secret_hash: secret.hash(),
        proof: Proof { method, at: now },
        family: TokenFamily::start(now),
        mac_kid: None,
        opened_at: now,
        last_used_at: now,
        expires_at: now + kind.lifetimes().absolute,
        address: context.address,
        device,
        ended: None,
    }
}

async fn open(
    app: &App,
    context: &Context,
    session: UserSession,
    replaces: Option<SessionId>,
) -> Result<(), ApiError> {
    app.limits.charge_login(context, session.uid)?;
    let network = NetworkPrefix::of(context.address).to_string();
    let audit_context = context.audit_context(session.uid);
    let opened = app
        .store
        .open_user_session(session, network, replaces, &audit_context);
    if opened.await? {
        Ok(())
    } else {
        Err(ApiError::new(ErrorCode::AccountDisabled))
    }
}

/// Records in the audit trail that a login was refused. The limits on attempts also limit how many
/// entries one network can cause.
pub(crate) async fn note_refusal(
    app: &App,
    context: &Context,
    method: AuthMethod,
    error: &ApiError,
) -> Result<(), ApiError> {
    let entry = AuditEntry {
        audit_context: context.audit_context("visitor"),
        action: AuditAction::SignInRefused,
        uid: None,
        key_id: None,
        sid: None,
        detail: Some(format!("method={} code={}", method.as_str(), error.code.as_str())),
    };
    Ok(app.store.audit(vec![entry]).await?)
}
