//! Management of API keys, for the API and the pages.
//!
//! - To register or change a key, the owner must have logged in within the last five minutes, with
//!   the strongest method that the account has.
//! - To disable or revoke a key, any login is enough, so that an owner can stop a stolen key
//!   without delay.
//! - To activate a key, any login and a signature by the key are enough.
//!
//! Each account has a budget for changes, and another one for disabling and revoking. The owner is
//! notified of each change by mail. A pending key is announced when it is activated.

use jiff::{SignedDuration, Timestamp};
use tm_auth_core::api_key::address;
use tm_auth_core::{ApiKey, PublicKey, Refusal, label, registration};
use tm_auth_proto::api_key::RegistrationProof;
use tm_auth_proto::{AccountId, KeyId, RegisterApiKey, Scopes, UpdateApiKey};
use tm_auth_store::{Change, KeyChange, KeyLimits, KeyUse, NewApiKey};

use crate::app::App;
use crate::app::management::Management;
use crate::error::ApiError;
use crate::http::context::Context;
use crate::random;

/// Revoked and expired keys per page of a list.
const DEAD_PER_PAGE: u32 = 50;

/// A page of the account's keys, with their last use.
pub(crate) struct KeyPage {
    /// Keys that are neither revoked nor expired, newest first. All of them are on the first page.
    pub(crate) live: Vec<(ApiKey, Option<KeyUse>)>,
    /// Revoked and expired keys, newest first.
    pub(crate) dead: Vec<(ApiKey, Option<KeyUse>)>,
    /// The next page begins before this time.
    pub(crate) older: Option<Timestamp>,
}

/// The first page of the account's keys, or the page that begins before a time.
pub(crate) async fn list(
    app: &App,
    context: &Context,
    uid: AccountId,
    before: Option<Timestamp>,
) -> Result<KeyPage, ApiError> {
    let live = match before {
        None => app.store.live_api_keys(uid, context.now).await?,
        Some(_) => Vec::new(),
    };
    let page = app
        .store
        .dead_api_keys(uid, context.now, before, DEAD_PER_PAGE)
        .await?;
    Ok(KeyPage {
        live,
        dead: page.keys,
        older: page.older,
    })
}

/// Returns a key of the account.
pub(crate) async fn find(
    app: &App,
    management: &Management,
    key_id: KeyId,
) -> Result<(ApiKey, Option<KeyUse>), ApiError> {
    let found = app.store.api_key_of(management.account.uid, key_id).await?;
    found.ok_or_else(|| Refusal::KeyNotFound.into())
}

pub(crate) async fn register(
    app: &App,
    context: &Context,
    management: &Management,
    request: &RegisterApiKey,
) -> Result<ApiKey, ApiError> {
    app.limits.charge_change(context, management.account.uid)?;
    management.require_strong(app, context.now).await?;
    let uid = management.account.uid;
    let key = PublicKey::parse(&request.public_key)?;
    // Possession is verified first. Otherwise "already registered" would tell any caller which keys
    // exist here.
    let public_key = registration::verify_possession(key, &request.proof, &app.issuer.url, uid, context.now)?;
    let end = request
        .expires_at
        .unwrap_or_else(|| Some(default_end(app, context.now)));
    let new = NewApiKey {
        key_id: KeyId::generate(app.issuer.environment, random::bytes()),
        uid,
        label: label::parse(&request.label)?,
        public_key,
        scopes: some_scope(request.scopes.unwrap_or(Scopes::ALL))?,
        allowed_ips: address::parse(&request.allowed_ips)?,
        created_at: context.now,
        active: !request.pending,
        expires_at: future(end, context.now)?,
    };
    let limits = KeyLimits {
        live: app.config.api_keys.max_per_account,
        per_day: app.config.api_keys.max_registrations_per_day,
    };
    let key = app
        .store
        .register_key(new, limits, &context.audit_context(uid))
        .await?
        .map_err(|refusal| ApiError::refused_at(refusal, context.now))?;
    app.mail.send_waiting().await;
    Ok(key)
}

pub(crate) async fn activate(
    app: &App,
    context: &Context,
    management: &Management,
    key_id: KeyId,
    proof: &RegistrationProof,
) -> Result<ApiKey, ApiError> {
    let uid = management.account.uid;
    app.limits.charge_change(context, uid)?;
    let (key, _) = find(app, management, key_id).await?;
    let confirmed = registration::confirm(&key, proof, &app.issuer.url, context.now)?;
    let max_live = app.config.api_keys.max_per_account;
    let audit_context = context.audit_context(uid);
    let key = app
        .store
        .activate_key(uid, confirmed, max_live, &audit_context)
        .await??;
    app.api_keys.forget(&Change::Key(key_id));
    app.mail.send_waiting().await;
    Ok(key)
}

pub(crate) async fn update(
    app: &App,
    context: &Context,
    management: &Management,
    key_id: KeyId,
    request: &UpdateApiKey,
) -> Result<ApiKey, ApiError> {
    let uid = management.account.uid;
    if only_disables(request) {
        app.limits.charge_removal(context, uid)?;
    } else {
        app.limits.charge_change(context, uid)?;
        management.require_strong(app, context.now).await?;
    }
    let change = KeyChange {
        label: request.label.as_deref().map(label::parse).transpose()?,
        scopes: request.scopes.map(some_scope).transpose()?,
        expires_at: request
            .expires_at
            .map(|end| future(end, context.now))
            .transpose()?,
        allowed_ips: request.allowed_ips.as_deref().map(address::parse).transpose()?,
        disabled: request.disabled,
    };
    let changed = app
        .store
        .update_key(uid, key_id, change, &context.audit_context(uid))
        .await??;
    if changed.is_changed {
        app.api_keys.forget(&Change::Key(key_id));
        if request.disabled.is_some() || request.expires_at.is_some() {
            app.take_over_changes().await?;
        }
        app.mail.send_waiting().await;
    }
    Ok(changed.row)
}

pub(crate) async fn revoke(
    app: &App,
    context: &Context,
    management: &Management,
    key_id: KeyId,
) -> Result<ApiKey, ApiError> {
    let uid = management.account.uid;
    app.limits.charge_removal(context, uid)?;
    let key = app
        .store
        .revoke_key(uid, key_id, &context.audit_context(uid))
        .await??;
    app.api_keys.forget(&Change::Key(key_id));
    app.take_over_changes().await?;
    app.mail.send_waiting().await;
    Ok(key)
}

/// Whether the request only disables the key.
fn only_disables(request: &UpdateApiKey) -> bool {
    let UpdateApiKey {
        label,
        scopes,
        expires_at,
        allowed_ips,
        disabled,
    } = request;
    *disabled == Some(true)
        && label.is_none()
        && scopes.is_none()
        && expires_at.is_none()
        && allowed_ips.is_none()
}

/// Refuses an empty set of scopes, since a key without scopes is useless.
pub(crate) fn some_scope(scopes: Scopes) -> Result<Scopes, ApiError> {
    if scopes.is_empty() {
        Err(ApiError::invalid(
            "scopes",
            "name at least one scope, or leave it out for all",
        ))
    } else {
        Ok(scopes)
    }
}

/// Refuses an expiry that is not in the future.
pub(crate) fn future(end: Option<Timestamp>, now: Timestamp) -> Result<Option<Timestamp>, ApiError> {
    match end {
        Some(end) if end <= now => Err(ApiError::invalid("expires_at", "must be in the future")),
        end => Ok(end),
    }
}

/// The expiry of a key if the owner chooses none.
pub(crate) fn default_end(app: &App, now: Timestamp) -> Timestamp {
    now + SignedDuration::from_hours(24 * i64::from(app.config.api_keys.default_expiry_days))
}
