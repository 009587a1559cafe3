//! Refreshes: exchanges a refresh token for a new pair of tokens, or ends its session.
//!
//! 1. Verify the token's type, algorithm and MAC. No session is read for a token that fails.
//! 2. Charge the call to the session. If the session has used up its refreshes, only a call that
//!    changes nothing passes: [`tm_auth_store::Store::would_repeat`].
//! 3. The store judges the token's counter and updates the session's row, in one transaction that
//!    also checks the key and the account.
//! 4. Charge the refresh to the session if it changed the row.
//! 5. Issue both tokens from the updated row. A client that lost the response and soon retries gets
//!    the same refresh token.

use std::sync::Arc;

use tm_auth_core::Refusal;
use tm_auth_core::secret::SessionSecret;
use tm_auth_core::signing::MacKey;
use tm_auth_core::token::access;
use tm_auth_core::token::refresh::{self, Unverified, VerifiedRefreshToken};
use tm_auth_core::user::is_user_session;
use tm_auth_proto::{Environment, SessionId, TokenResponse};
use tm_auth_store::error::Chain;
use tm_auth_store::{KeyUse, RefusedRotation, Rotation, RotationKind};

use super::{App, sign_in, tokens};
use crate::error::ApiError;
use crate::http::context::Context;
use crate::random;

/// Exchanges a refresh token for a new pair.
pub(crate) async fn refresh(app: &App, context: &Context, token: &str) -> Result<TokenResponse, ApiError> {
    app.may_issue_tokens()?;
    let presented = verify(app, context, token).await?;
    may_refresh(app, context, &presented).await?;
    let (sid, secret) = (presented.sid, presented.secret.clone());
    let rotation = Rotation {
        audit_context: context.audit_context(presented.sid),
        presented,
        address: context.address,
        mac_kid: app.keys().mac().kid().to_owned(),
        lifetimes: app.lifetimes,
        now: context.now,
    };
    if is_user_session(sid) {
        return refresh_user_session(app, context, rotation, &secret).await;
    }
    let rotated = app.store.rotate_session(rotation).await?;
    let rotated = or_refused(app, context, sid, rotated).await?;
    note_rotation(app, context, sid, rotated.kind);

    let (session, key) = (&rotated.session, &rotated.key);
    let mac = newest_mac_key(app, &session.mac_kid).await?;
    let refresh_token = refresh::issue(
        session.sid,
        &session.family,
        session.idle_expires_at(&app.lifetimes),
        &secret,
        &app.issuer.url,
        app.issuer.environment,
        &mac,
    );
    let claims = app.issuer.platform_claims(
        key,
        session.sid,
        session.opened_at,
        session.expires_at,
        random::bytes(),
        context.now,
    );
    let access_token = access::sign(&claims, app.keys().signing());
    app.usage.note(KeyUse {
        key_id: key.key_id,
        at: context.now,
        ip: context.address,
    });
    Ok(tokens::response(access_token, refresh_token, key.expires_at))
}

async fn refresh_user_session(
    app: &App,
    context: &Context,
    rotation: Rotation,
    secret: &SessionSecret,
) -> Result<TokenResponse, ApiError> {
    let sid = rotation.presented.sid;
    let rotated = app.store.rotate_user_session(rotation).await?;
    let rotated = or_refused(app, context, sid, rotated).await?;
    note_rotation(app, context, sid, rotated.kind);
    let (session, account) = (&rotated.session, &rotated.account);
    let mac = newest_mac_key(app, session.mac_kid.as_deref().unwrap_or_default()).await?;
    Ok(sign_in::tokens(app, context, session, account, secret, &mac))
}

/// Step 2. Threads that share a session all present the same token when it expires, so calls that
/// change nothing have a wider limit of their own.
async fn may_refresh(app: &App, context: &Context, presented: &VerifiedRefreshToken) -> Result<(), ApiError> {
    app.limits.charge_refresh_call(context, presented.sid)?;
    let Err(limited) = app.limits.may_rotate(context, presented.sid) else {
        return Ok(());
    };
    let repeats = app
        .store
        .would_repeat(presented.clone(), context.now, app.lifetimes.reuse_grace);
    if repeats.await? { Ok(()) } else { Err(limited) }
}

/// Step 4.
fn note_rotation(app: &App, context: &Context, sid: SessionId, kind: RotationKind) {
    crate::metrics::rotation(kind);
    if kind != RotationKind::Repeated {
        app.limits.charge_rotation(context, sid);
    }
}

/// If this call ended the session because of reuse, sends the mail to the owner and puts the end in
/// force on this node. The store writes the mail in the transaction that ends the session, so the
/// owner is told once, however often and late the token comes again, and whichever node it reaches.
async fn or_refused<T>(
    app: &App,
    context: &Context,
    sid: SessionId,
    rotated: Result<T, RefusedRotation>,
) -> Result<T, ApiError> {
    let refused = match rotated {
        Ok(rotated) => return Ok(rotated),
        Err(refused) => refused,
    };
    if is_over(&refused.refusal) {
        app.limits.charge_rotation(context, sid);
    }
    if refused.ended_session {
        app.mail.send_waiting().await;
        app.take_over_changes().await?;
    }
    Err(refused.refusal.into())
}

/// Whether no token of the session will ever be accepted. Other refusals are not charged: with a
/// stolen token, a thief at a forbidden address could use up the owner's refreshes.
fn is_over(refusal: &Refusal) -> bool {
    matches!(
        refusal,
        Refusal::RefreshReused | Refusal::SessionEnded | Refusal::SessionExpired
    )
}

/// Ends the session of a refresh token and revokes its access tokens. An unknown or expired token
/// is not an error (RFC 7009 section 2.2).
pub(crate) async fn revoke(app: &App, context: &Context, token: &str) -> Result<(), ApiError> {
    let presented = match verify(app, context, token).await {
        Ok(presented) => presented,
        Err(error) if error.code.status() == 401 => return Ok(()),
        // The token was not judged, so its session may still be active.
        Err(error) => return Err(error),
    };
    let audit_context = context.audit_context(presented.sid);
    if app.store.end_session(presented, &audit_context).await? {
        app.take_over_changes().await?;
    }
    Ok(())
}

/// Step 1. A valid token passes even if the network has used up its failures: many bots can share an
/// address, and one that fails must not lock the others out.
async fn verify(app: &App, context: &Context, token: &str) -> Result<VerifiedRefreshToken, ApiError> {
    if let Err(limited) = app.limits.may_try(context) {
        return verify_in_memory(app, token).ok_or(limited);
    }
    let verified = verify_uncharged(app, token).await;
    if matches!(&verified, Err(error) if error.is_refusal()) {
        app.limits.charge_failure(context, None);
    }
    verified
}

/// Verifies a token if its MAC key is in memory, which costs a microsecond.
fn verify_in_memory(app: &App, token: &str) -> Option<VerifiedRefreshToken> {
    let unverified = Unverified::parse(token).ok()?;
    let mac = app.keys().mac_by_kid(unverified.kid()?).map(Arc::clone)?;
    unverified
        .verify(&mac, &app.issuer.url, app.issuer.environment)
        .ok()
}

async fn verify_uncharged(app: &App, token: &str) -> Result<VerifiedRefreshToken, ApiError> {
    let refused = |cause| move |refusal: Refusal| ApiError::from(refusal).because(cause);
    let unverified = Unverified::parse(token).map_err(refused("it is not a refresh token"))?;
    let kid = unverified.kid().ok_or(Refusal::InvalidRefreshToken);
    let kid = kid.map_err(refused("it names no MAC key"))?;
    let Some(mac) = mac_key(app, kid).await? else {
        return Err(refused("it names an unknown MAC key")(unknown_kid(
            kid,
            app.issuer.environment,
        )));
    };
    unverified
        .verify(&mac, &app.issuer.url, app.issuer.environment)
        .map_err(refused("its MAC or its claims do not hold"))
}

/// The MAC key of a session's newest token. If this node does not have it (another node created it
/// a moment ago, or it was just removed), the client may retry.
async fn newest_mac_key(app: &App, kid: &str) -> Result<Arc<MacKey>, ApiError> {
    let key = mac_key(app, kid).await?;
    key.ok_or_else(|| ApiError::unavailable("the MAC key of the session's newest token is not here"))
}

/// The MAC key with this `kid`. If it is unknown, reads the keys again, since another node may have
/// just created it.
async fn mac_key(app: &App, kid: &str) -> Result<Option<Arc<MacKey>>, ApiError> {
    if let Some(key) = app.keys().mac_by_kid(kid) {
        return Ok(Some(Arc::clone(key)));
    }
    // Anyone can send a `kid`. One that this service cannot have created costs no read.
    if !kid.starts_with(app.issuer.environment.as_str()) {
        return Ok(None);
    }
    let reloaded = app.current_keys.reload_for_unknown_kid(app.now()).await;
    reloaded.map_err(|error| ApiError::unavailable(Chain(&error)))?;
    Ok(app.keys().mac_by_kid(kid).map(Arc::clone))
}

/// The reason for refusing an unknown `kid`. Each starts with its environment, so the reason can
/// name the other environment.
fn unknown_kid(kid: &str, here: Environment) -> Refusal {
    let other = [Environment::Production, Environment::Uat]
        .into_iter()
        .find(|environment| {
            *environment != here
                && kid
                    .strip_prefix(environment.as_str())
                    .is_some_and(|rest| rest.starts_with('-'))
        });
    other.map_or(Refusal::InvalidRefreshToken, |theirs| Refusal::WrongEnvironment {
        here,
        theirs,
    })
}
