//! `POST /apple/notifications`: Apple reports what a user did with the Apple account.
//!
//! 1. The body is `{"payload": JWS}`. The endpoint is open to all, so only the JWS counts: Apple's
//!    signature, `iss`, `aud` and times.
//! 2. `events` is one event. Apple writes it as a string of JSON.
//! 3. `consent-revoked` and `account-delete`: the user withdrew. The identity is unlinked, or
//!    marked if it is the only login method. Every session of the user ends, and the owner is told.
//!    API keys stay active: they do not depend on Apple.
//! 4. `email-disabled` and `email-enabled`: whether the relay forwards mail. Noted in the audit
//!    trail.
//! 5. An unknown event is accepted and ignored. Otherwise Apple would send it again for days.
//!
//! 200 tells Apple that the event was accepted, 4xx that it will never be accepted, and 503 to try
//! again.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use tm_auth_core::Account;
use tm_auth_proto::json::Object;
use tm_auth_store::{AuditAction, AuditEntry};

use super::client::{Apple, Offered};
use super::failure::Failure;
use super::id_token::{LEEWAY, addressed_to, number, text};
use crate::app::App;
use crate::error::ApiError;
use crate::http::context::Context;
use crate::http::json::Json;

#[derive(Deserialize)]
pub(crate) struct Notification {
    payload: String,
}

/// A verified event.
struct Event {
    type_: String,
    sub: String,
    /// The end of the second of `iat`: the latest time at which Apple can have signed it.
    told_at: Timestamp,
}

pub(crate) async fn notifications(
    State(app): State<Arc<App>>,
    Offered(apple): Offered,
    context: Context,
    Json(notification): Json<Notification>,
) -> Result<StatusCode, ApiError> {
    app.limits.may_try(&context)?;
    let event = apple
        .event(&notification.payload, context.now)
        .await
        .map_err(|failure| {
            if let Failure::Refused(cause) = failure {
                app.limits.charge_failure(&context, None);
                tracing::info!(error = cause, "a notification in Apple's name was refused");
            }
            failure.into_error("payload")
        })?;
    match event.type_.as_str() {
        // Apple's documentation has had both words for a deleted account.
        "consent-revoked" | "account-delete" | "account-deleted" => {
            withdrawn(&app, &apple, &context, event).await?;
        }
        "email-disabled" => relay(&app, &apple, &context, event, AuditAction::AppleMailDisabled).await?,
        "email-enabled" => relay(&app, &apple, &context, event, AuditAction::AppleMailEnabled).await?,
        _ => tracing::info!("Apple sent a notification of an unknown kind"),
    }
    Ok(StatusCode::OK)
}

impl Apple {
    async fn event(&self, payload: &str, now: Timestamp) -> Result<Event, Failure> {
        let payload = self.keys.open(payload).await?;
        let malformed = || Failure::Refused("it is not a notification");
        let claims = Object::parse(&payload).map_err(|_| malformed())?;
        let settings = &self.settings;
        let audience = settings.app_id.as_ref().unwrap_or(&settings.client_id);
        addressed_to(&claims, &settings.issuer, audience)?;
        let (now, iat) = (now.as_second(), number(&claims, "iat").ok_or_else(malformed)?);
        if iat > now.saturating_add(LEEWAY) {
            return Err(Failure::Refused("its `iat` is in the future"));
        }
        if claims.contains("exp")
            && number(&claims, "exp").is_none_or(|exp| exp.saturating_add(LEEWAY) <= now)
        {
            return Err(Failure::Refused("it has expired"));
        }
        // An ID token has the same keys and audience. It has a nonce and no events.
        if claims.contains("nonce") || !claims.contains("events") {
            return Err(malformed());
        }
        let (type_, sub) = match text(&claims, "events") {
            Some(events) => type_and_sub(&Object::parse(events.as_bytes()).map_err(|_| malformed())?),
            None => claims
                .read_object("events")
                .and_then(Result::ok)
                .and_then(|events| type_and_sub(&events)),
        }
        .ok_or_else(malformed)?;
        let told_at = Timestamp::from_millisecond(iat.saturating_mul(1000).saturating_add(999));
        Ok(Event {
            type_,
            sub,
            told_at: told_at.map_err(|_| malformed())?,
        })
    }
}

fn type_and_sub(event: &Object<'_>) -> Option<(String, String)> {
    Some((text(event, "type")?, text(event, "sub")?))
}

async fn withdrawn(app: &App, apple: &Apple, context: &Context, event: Event) -> Result<(), ApiError> {
    let iss = apple.settings.issuer.clone();
    let audit_context = context.audit_context("apple");
    let told = app
        .store
        .withdraw_apple(iss, event.sub, event.told_at, &audit_context);
    if told.await?.is_none() {
        return Ok(());
    }
    // The revocation list now names the tokens of its sessions.
    app.take_over_changes().await?;
    app.mail.send_waiting().await;
    Ok(())
}

async fn relay(
    app: &App,
    apple: &Apple,
    context: &Context,
    event: Event,
    action: AuditAction,
) -> Result<(), ApiError> {
    let found = app
        .store
        .account_of_apple(apple.settings.issuer.clone(), event.sub);
    let Some(Account { uid, .. }) = found.await? else {
        return Ok(());
    };
    let entry = AuditEntry {
        audit_context: context.audit_context("apple"),
        action,
        uid: Some(uid),
        key_id: None,
        sid: None,
        detail: None,
    };
    Ok(app.store.audit(vec![entry]).await?)
}
