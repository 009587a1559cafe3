//! `POST /apple/callback`: Apple's site makes the browser post Apple's answer here.
//!
//! 1. `state` must match the cookie: the answer belongs to a flow of this browser. Otherwise an
//!    attacker could sign another user's browser in to the attacker's account.
//! 2. The flow is taken from the database, so a repeated answer finds none.
//! 3. Only then is the code exchanged, and the ID token checked.
//! 4. A login finds the account of (`iss`, `sub`), or creates it. A link adds the identity to the
//!    account whose session began the flow, if that session is still live.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use http::HeaderMap;
use http::header::SET_COOKIE;
use serde::Deserialize;
use tm_auth_core::user::AuthMethod;
use tm_auth_core::{Account, Refusal, user_text};
use tm_auth_proto::{AccountId, ErrorCode, OrganizationId, SessionId};
use tm_auth_store::{AppleSignIn, AppleSubject, AuditAction, AuditEntry, NewAccount};

use super::client::{Apple, Offered};
use super::client_secret::client_secret;
use super::failure::Failure;
use super::flow::{Flow, KIND, Purpose};
use super::id_token::{self, Expected};
use crate::app::App;
use crate::auth::browser;
use crate::error::ApiError;
use crate::http::context::Context;
use crate::http::cookie::{self, Name};
use crate::http::form::ForeignForm;
use crate::random;

/// The longest stored name, in characters.
const LONGEST_NAME: usize = 100;

/// Apple's answer.
#[derive(Deserialize)]
pub(crate) struct Answer {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
    /// JSON, with the first consent only. It is not signed, so the browser's user can change it.
    user: Option<String>,
}

pub(crate) async fn callback(
    State(app): State<Arc<App>>,
    Offered(apple): Offered,
    context: Context,
    headers: HeaderMap,
    ForeignForm(answer): ForeignForm<Answer>,
) -> Result<Response, ApiError> {
    app.limits.may_try(&context)?;
    let (flow, purpose) = take_flow(&app, &context, &headers, &answer)
        .await
        .inspect_err(|error| charge(&app, &context, error))?;
    let answered = finish(&app, &apple, &context, &headers, &answer, &flow, &purpose).await;
    if let Err(error) = &answered {
        charge(&app, &context, error);
        note_refusal(&app, &context, &purpose, error).await?;
    }
    let (mut set, next) = answered?;
    set.append(SET_COOKIE, cookie::clear(&app.config.public_url, Name::Apple));
    Ok((set, Redirect::to(next)).into_response())
}

/// Steps 1 and 2.
async fn take_flow(
    app: &App,
    context: &Context,
    headers: &HeaderMap,
    answer: &Answer,
) -> Result<(Flow, Purpose), ApiError> {
    let unknown = |cause| ApiError::violation(ErrorCode::AppleSignInUnknown, "state", cause);
    let flow = cookie::read(&app.config.public_url, headers, Name::Apple)
        .and_then(Flow::from_cookie)
        .ok_or_else(|| unknown("no cookie of a flow"))?;
    if !answer.state.as_deref().is_some_and(|state| flow.is_state(state)) {
        return Err(unknown("the state is not this browser's"));
    }
    let taken = app.store.take_ceremony(flow.id_hash(), KIND, context.now);
    let ceremony = taken.await?.ok_or_else(|| unknown("the flow is over"))?;
    let purpose = serde_json::from_str(&ceremony.state).map_err(ApiError::internal)?;
    Ok((flow, purpose))
}

/// Steps 3 and 4. Returns the cookies to set and the browser's next page.
async fn finish<'a>(
    app: &App,
    apple: &Apple,
    context: &Context,
    headers: &HeaderMap,
    answer: &Answer,
    flow: &Flow,
    purpose: &'a Purpose,
) -> Result<(HeaderMap, &'a str), ApiError> {
    if answer.error.is_some() {
        // Not signed, so not repeated in the response or the log.
        let cancelled = "Apple answered with an error";
        return Err(ApiError::violation(
            ErrorCode::AppleSignInCancelled,
            "error",
            cancelled,
        ));
    }
    let code = answer.code.as_deref().unwrap_or_default();
    if code.is_empty() {
        return Err(ApiError::violation(
            ErrorCode::AppleTokenInvalid,
            "code",
            "the answer has no code",
        ));
    }
    let subject = apple
        .redeem(code, flow, context)
        .await
        .map_err(|failure| failure.into_error("code"))?;
    let set = if purpose.link {
        link(app, context, subject, purpose.session).await?;
        HeaderMap::new()
    } else {
        let name = answer.user.as_deref().and_then(display_name);
        let account = account(app, context, subject, name).await?;
        let set = browser::sign_in(app, context, headers, &account, AuthMethod::Apple).await?;
        end_former(app, context, headers, &account, purpose.session).await?;
        set
    };
    Ok((set, &purpose.next))
}

impl Apple {
    /// Exchanges a code for the identity that it stands for.
    async fn redeem(&self, code: &str, flow: &Flow, context: &Context) -> Result<AppleSubject, Failure> {
        let settings = &self.settings;
        let secret = client_secret(settings, context.now);
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", &self.redirect_uri),
            ("client_id", &settings.client_id),
            ("client_secret", &secret),
            ("code_verifier", &flow.verifier()),
        ];
        let tokens = self.provider.exchange(&form).await?;
        let payload = self.keys.open(&tokens.id_token).await?;
        let expected = Expected {
            issuer: &settings.issuer,
            client_id: &settings.client_id,
            nonce: &flow.nonce(),
            code,
            access_token: tokens.access_token.as_deref(),
        };
        id_token::check(&payload, &expected, context.now)
    }
}

async fn account(
    app: &App,
    context: &Context,
    subject: AppleSubject,
    name: Option<String>,
) -> Result<Account, ApiError> {
    let new = NewAccount {
        uid: AccountId(uuid::Builder::from_random_bytes(random::bytes()).into_uuid()),
        organization_id: OrganizationId(uuid::Builder::from_random_bytes(random::bytes()).into_uuid()),
        email: None,
        created_at: context.now,
    };
    let audit_context = context.audit_context(new.uid);
    let signed_in = app.store.account_by_apple(subject, new, name, &audit_context);
    match signed_in.await? {
        AppleSignIn::Known(account) | AppleSignIn::Made(account) => Ok(account),
        AppleSignIn::AddressHasAccount => Err(ApiError::new(ErrorCode::AddressHasAccount)),
    }
}

async fn link(
    app: &App,
    context: &Context,
    subject: AppleSubject,
    session: Option<(AccountId, SessionId)>,
) -> Result<(), ApiError> {
    let over = |cause: &str| ApiError::caused(ErrorCode::MissingSession, cause);
    let (uid, sid) = session.ok_or_else(|| over("the flow began without a session"))?;
    let (session, account) = app
        .store
        .user_session(sid)
        .await?
        .filter(|(session, _)| session.uid == uid)
        .ok_or_else(|| over("the session that began the flow does not exist"))?;
    session
        .check_usable(&account, context.now)
        .map_err(|refusal: Refusal| over(&refusal.to_string()))?;
    app.limits.charge_change(context, uid)?;
    app.store
        .link_apple(uid, subject, &context.audit_context(uid))
        .await??;
    app.mail.send_waiting().await;
    Ok(())
}

/// Ends the session that the browser had before. If its cookie came along, the login has already
/// ended it; a browser sends the cookie only if Apple's stand-in is on this service's own site.
async fn end_former(
    app: &App,
    context: &Context,
    headers: &HeaderMap,
    account: &Account,
    former: Option<(AccountId, SessionId)>,
) -> Result<(), ApiError> {
    if let Some((uid, sid)) =
        former.filter(|_| cookie::read(&app.config.public_url, headers, Name::Session).is_none())
    {
        let audit_context = context.audit_context(account.uid);
        app.store.end_user_session(uid, sid, &audit_context).await?;
    }
    Ok(())
}

/// Charges a refused answer to the caller's network. A failure of Apple or of this service is not
/// charged.
fn charge(app: &App, context: &Context, error: &ApiError) {
    if error.is_refusal() {
        app.limits.charge_failure(context, None);
    }
}

/// Notes a failed login in the log and in the audit trail. The flow must have been found first, so
/// that a stranger cannot fill the trail.
async fn note_refusal(
    app: &App,
    context: &Context,
    purpose: &Purpose,
    error: &ApiError,
) -> Result<(), ApiError> {
    let (request_id, code) = (&context.request_id, error.code.as_str());
    tracing::info!(
        request_id,
        code,
        error = error.cause.as_deref(),
        "a login with Apple failed"
    );
    let entry = AuditEntry {
        audit_context: context.audit_context("apple"),
        action: AuditAction::SignInRefused,
        uid: purpose.linking(),
        key_id: None,
        sid: None,
        detail: Some(format!("method={} code={code}", AuthMethod::Apple.as_str())),
    };
    Ok(app.store.audit(vec![entry]).await?)
}

/// The name in Apple's JSON, shortened and without control and direction characters.
fn display_name(user: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct User {
        name: Name,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Name {
        #[serde(default)]
        first_name: String,
        #[serde(default)]
        last_name: String,
    }
    let User { name } = serde_json::from_str(user).ok()?;
    let whole = format!("{} {}", name.first_name, name.last_name);
    let words: Vec<&str> = whole.split_whitespace().collect();
    let name: String = words.join(" ").chars().take(LONGEST_NAME).collect();
    let name = user_text::clean(&name, "");
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::display_name;

    #[test]
    fn a_name_is_bounded_visible_text() {
        let named = |user: &str| display_name(user);
        assert_eq!(
            named(r#"{"name":{"firstName":"Ada","lastName":"Lovelace"},"email":"x@example.com"}"#).as_deref(),
            Some("Ada Lovelace")
        );
        assert_eq!(
            named(r#"{"name":{"firstName":" Ada\n "}}"#).as_deref(),
            Some("Ada")
        );
        assert_eq!(
            named(r#"{"name":{"lastName":"a\u0000b\u202e\u00adc"}}"#).as_deref(),
            Some("abc")
        );
        for none in [
            "",
            "{}",
            "[]",
            r#"{"name":{}}"#,
            r#"{"name":"Ada"}"#,
            r#"{"name":{"firstName":" "}}"#,
        ] {
            assert_eq!(named(none), None, "{none}");
        }
        let long = format!(r#"{{"name":{{"firstName":"{}"}}}}"#, "ä".repeat(300));
        assert_eq!(named(&long).unwrap().chars().count(), 100);
    }
}
