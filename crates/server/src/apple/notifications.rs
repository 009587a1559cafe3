//! `POST /apple/notifications`: Apple tells what a person did with their Apple account.
//!
//! 1. The body is `{"payload": JWS}`. Anybody can post here, so the JWS is all that counts: Apple's signature, its
//!    `iss`, an `aud` that is ours, its times.
//! 2. `events` is one event, as Apple writes it a string of JSON.
//! 3. `consent-revoked` and `account-delete`: the person withdrew. The identity is unlinked, or stays marked where it
//!    is the one way in; every session of the person ends, and the owner is told. API keys go on: they are not Apple's.
//! 4. `email-disabled` and `email-enabled`: whether the relay passes mail on. Noted in the trail.
//! 5. An event that is not known is taken and left: Apple would send it again for days.
//!
//! 200 tells Apple that it was taken, 4xx that it will never be, 503 to try again.

use std::sync::Arc;

use axum::extract::State;
use http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use tm_auth_core::Account;
use tm_auth_proto::json::Object;
use tm_auth_store::{AppleWithdrawal, AuditEntry};

use super::id_token::{LEEWAY, addressed_to, number, text};
use super::{Apple, Failure, offered};
use crate::app::App;
use crate::app::notices;
use crate::error::ApiError;
use crate::http::context::Context;
use crate::http::json::Json;
use crate::mail::templates::Notice;

#[derive(Deserialize)]
pub(crate) struct Notification {
    payload: String,
}

/// One event, verified.
struct Event {
    type_: String,
    sub: String,
    /// The last instant of the second in which Apple signed it.
    told_at: Timestamp,
}

pub(crate) async fn notifications(
    State(app): State<Arc<App>>,
    context: Context,
    Json(notification): Json<Notification>,
) -> Result<StatusCode, ApiError> {
    let apple = offered(&app)?;
    app.limits.may_try(&context, None)?;
    let event = apple
        .event(&notification.payload, context.now)
        .await
        .map_err(|failure| {
            if let Failure::Refused(cause) = failure {
                app.limits.charge_failure(&context, None);
                tracing::info!(
                    request_id = context.request_id,
                    cause,
                    "a notification in Apple's name was refused"
                );
            }
            failure.into_error("payload")
        })?;
    match event.type_.as_str() {
        // The documents have had both words for it.
        "consent-revoked" | "account-delete" | "account-deleted" => {
            withdrawn(&app, apple, &context, event).await?;
        }
        "email-disabled" => relay(&app, apple, &context, event, "apple_mail_disabled").await?,
        "email-enabled" => relay(&app, apple, &context, event, "apple_mail_enabled").await?,
        _ => tracing::info!(
            request_id = context.request_id,
            "a notification of Apple's of an unknown kind"
        ),
    }
    Ok(StatusCode::OK)
}

impl Apple {
    async fn event(&self, payload: &str, now: Timestamp) -> Result<Event, Failure> {
        let payload = self.keys.open(payload).await?;
        let malformed = || Failure::Refused("it is no notification");
        let claims = Object::parse(&payload).map_err(|_| malformed())?;
        let settings = &self.settings;
        let audience = settings.app_id.as_ref().unwrap_or(&settings.client_id);
        addressed_to(&claims, &settings.issuer, audience)?;
        let (now, iat) = (now.as_second(), number(&claims, "iat").ok_or_else(malformed)?);
        if iat > now.saturating_add(LEEWAY) {
            return Err(Failure::Refused("it was made in the future"));
        }
        if claims.contains("exp")
            && number(&claims, "exp").is_none_or(|exp| exp.saturating_add(LEEWAY) <= now)
        {
            return Err(Failure::Refused("it has expired"));
        }
        // Signed by the same keys for the same audience, but an answer to a person: never a notification.
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
    let origin = context.origin("apple");
    let told = app.store.withdraw_apple(iss, event.sub, event.told_at, &origin);
    let Some(AppleWithdrawal { account, .. }) = told.await? else {
        return Ok(());
    };
    // The tokens of its sessions are on the list.
    app.reload_revocations().await?;
    notices::tell(app, context, &account, Notice::AppleUnlinked).await;
    Ok(())
}

async fn relay(
    app: &App,
    apple: &Apple,
    context: &Context,
    event: Event,
    action: &'static str,
) -> Result<(), ApiError> {
    let found = app
        .store
        .account_of_apple(apple.settings.issuer.clone(), event.sub);
    let Some(Account { uid, .. }) = found.await? else {
        return Ok(());
    };
    let entry = AuditEntry {
        origin: context.origin("apple"),
        action: action.into(),
        uid: Some(uid),
        key_id: None,
        sid: None,
        detail: None,
    };
    Ok(app.store.audit(vec![entry]).await?)
}
