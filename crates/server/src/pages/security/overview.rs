//! The Security page.

use std::sync::Arc;

use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{self, State};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::Deserialize;
use tm_auth_core::recovery::{Recovery, Stage, may_add_passkey, may_start};
use tm_auth_core::user::{AuthMethod, SessionKind, UserSession};
use tm_auth_proto::ErrorCode;
use tm_auth_store::LoginMethods;
use tm_auth_store::apple_identity::AppleIdentity;
use tm_auth_store::passkey::Passkey;

use super::require_strong;
use crate::app::{App, user_sessions};
use crate::auth::browser::Browser;
use crate::error::ApiError;
use crate::http::context::Context;
use crate::pages::page::{Layout, Page, Section, Tone};
use crate::pages::words::Instant;
use crate::passkeys::RelyingParty;

/// The change just made. A closed list, because any site can link here with a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Done {
    Email,
    Session,
    Sessions,
}

impl Done {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Email => "email",
            Self::Session => "session",
            Self::Sessions => "sessions",
        }
    }

    fn sentence(self) -> &'static str {
        match self {
            Self::Email => {
                "Your e-mail address was changed, and the old address was notified. Check below where you are logged in."
            }
            Self::Session => "The session was ended.",
            Self::Sessions => "You are logged out everywhere else.",
        }
    }
}

#[derive(Deserialize)]
pub(crate) struct Query {
    done: Option<Done>,
}

/// What the session lacks for changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// A login within the last five minutes.
    Fresh,
    /// A login with a passkey within the last five minutes.
    Passkey,
}

impl Missing {
    pub(super) fn is_passkey(self) -> bool {
        self == Self::Passkey
    }
}

#[derive(Template)]
#[template(path = "security.html")]
#[allow(
    clippy::struct_excessive_bools,
    reason = "the facts of a page are independent of each other"
)]
struct Overview {
    layout: Layout,
    missing: Option<Missing>,
    /// Whether sessions may be ended.
    fresh: bool,
    mail: bool,
    email: Option<String>,
    contact: Option<String>,
    passkeys: Vec<PasskeyView>,
    makes_passkeys: bool,
    apple: Option<AppleView>,
    offers_apple: bool,
    /// Whether only one login method is left.
    last: bool,
    recovery: Option<RecoveryView>,
    /// Whether this session may add a passkey, by its proof or by a recovery.
    may_add: bool,
    may_recover: bool,
    sessions: Vec<SessionView>,
}

struct PasskeyView {
    id: String,
    name: String,
    kind: &'static str,
    created: Instant,
    last_used: Option<Instant>,
    suspect: bool,
}

struct AppleView {
    email: Option<String>,
    since: Instant,
    withdrawn: bool,
}

struct RecoveryView {
    ready_at: Instant,
    ready: bool,
}

struct SessionView {
    sid: String,
    device: String,
    kind: &'static str,
    method: &'static str,
    address: String,
    opened: Instant,
    last_used: Instant,
    current: bool,
}

pub(crate) async fn show(
    State(app): State<Arc<App>>,
    context: Context,
    browser: Browser,
    query: Result<extract::Query<Query>, QueryRejection>,
) -> Result<Page<impl Template>, ApiError> {
    let (uid, proof) = (browser.account.uid, browser.session.proof);
    let passkeys = app.store.passkeys_of(uid).await?;
    let apple = app.store.apple_identity_of(uid).await?;
    let recovery = app.store.recovery(uid).await?;
    let recovery = recovery.filter(|recovery| recovery.stage(context.now) != Stage::Lapsed);
    let sessions = user_sessions::live(&app, &context, &browser.account).await?;
    let contact = app.store.contact_email(uid).await?;
    let ways: LoginMethods = app.store.login_methods(uid).await?;

    let mut layout = Layout::new(&app, "Security")
        .section(Section::Security)
        .script("passkey.js")
        .signed_in(&browser.account, &browser.csrf);
    if let Some(done) = query.ok().and_then(|extract::Query(query)| query.done) {
        layout = layout.notice(Tone::Done, done.sentence());
    }
    Ok(Page(Overview {
        missing: missing(&app, &context, &browser).await?,
        fresh: proof.is_fresh(context.now),
        mail: app.mail.is_available(),
        email: browser.account.email.clone(),
        contact: contact.filter(|contact| Some(contact) != browser.account.email.as_ref()),
        makes_passkeys: RelyingParty::of(&app.config).is_ok(),
        offers_apple: app.config.apple.is_some(),
        last: ways.count() <= 1,
        may_add: may_add_passkey(&proof, recovery.as_ref(), context.now),
        may_recover: recovery.is_none() && !passkeys.is_empty() && may_start(&proof, context.now),
        recovery: recovery.map(|recovery| recovery_view(&recovery, context.now)),
        passkeys: passkeys
            .into_iter()
            .map(|passkey| passkey_view(passkey, context.now))
            .collect(),
        apple: apple.map(|identity| apple_view(identity, context.now)),
        sessions: sessions
            .into_iter()
            .map(|session| session_view(session, &browser, context.now))
            .collect(),
        layout,
    }))
}

/// What the session lacks for a change now; `None` if a change is allowed.
pub(super) async fn missing(
    app: &App,
    context: &Context,
    browser: &Browser,
) -> Result<Option<Missing>, ApiError> {
    match require_strong(app, context, browser).await {
        Ok(()) => Ok(None),
        Err(error) if error.code == ErrorCode::ReauthRequired => {
            let by_passkey = app.store.has_passkey(browser.account.uid).await?;
            Ok(Some(if by_passkey {
                Missing::Passkey
            } else {
                Missing::Fresh
            }))
        }
        Err(error) => Err(error),
    }
}

fn passkey_view(passkey: Passkey, now: Timestamp) -> PasskeyView {
    PasskeyView {
        id: URL_SAFE_NO_PAD.encode(&passkey.credential_id),
        name: passkey.name,
        kind: match (passkey.backup_eligible, passkey.backed_up) {
            (_, true) => "synced between your devices",
            (true, false) => "on one device, can be synced",
            (false, false) => "bound to one device",
        },
        created: Instant::new(passkey.created_at, now),
        last_used: passkey.last_used_at.map(|at| Instant::new(at, now)),
        suspect: passkey.suspect_at.is_some(),
    }
}

fn apple_view(identity: AppleIdentity, now: Timestamp) -> AppleView {
    AppleView {
        email: identity.email,
        since: Instant::new(identity.created_at, now),
        withdrawn: identity.withdrawn_at.is_some(),
    }
}

fn recovery_view(recovery: &Recovery, now: Timestamp) -> RecoveryView {
    RecoveryView {
        ready_at: Instant::new(recovery.ready_at, now),
        ready: recovery.stage(now) == Stage::Ready,
    }
}

fn session_view(session: UserSession, browser: &Browser, now: Timestamp) -> SessionView {
    SessionView {
        sid: session.sid.to_string(),
        kind: match session.kind {
            SessionKind::Browser => "",
            SessionKind::Native => "command line",
            SessionKind::Management => "command line, manages API keys",
        },
        method: match session.proof.method {
            AuthMethod::Passkey => "passkey",
            AuthMethod::EmailCode => "e-mail code",
            AuthMethod::MagicLink => "e-mail link",
            AuthMethod::Apple => "Apple",
            AuthMethod::Operator => "True Markets staff",
        },
        address: session.address.to_string(),
        opened: Instant::new(session.opened_at, now),
        last_used: Instant::new(session.last_used_at, now),
        current: session.sid == browser.session.sid,
        device: session.device,
    }
}
