//! Codes and links by e-mail, for the API and the pages.
//!
//! 1. [`mail`] checks the limits of the address and of the caller's network and writes a mail. The
//!    response depends on the caller's own requests alone, so the caller learns nothing about the
//!    address.
//! 2. [`by_code`] and [`by_link`] exchange a code or link for a proved address, once.
//! 3. [`account`] finds the account of that address, or creates one.

use jiff::SignedDuration;
use tm_auth_core::email_code::{CodePepper, EmailCode, FlowId, Length, Purpose, TypedCode};
use tm_auth_core::secret::FlowSecret;
use tm_auth_core::user::AuthMethod;
use tm_auth_core::{Account, EmailAddress};
use tm_auth_listener::NetworkPrefix;
use tm_auth_proto::{AccountId, OrganizationId};
use tm_auth_store::email_code::{AskedCode, CodeAttempt, CodeOf, NewCode, NewLink, ProvedEmail, SealedCodes};
use tm_auth_store::{AuditContext, NewAccount};

use super::App;
use super::sign_in;
use crate::error::ApiError;
use crate::http::context::Context;
use crate::mail::templates::{CodeLetter, CodePurpose};
use crate::random;

/// Step 1. Mails a code if the limits allow it. If a browser requests it, `browser` is the secret
/// of its cookie: the mail also has a link, and code and link work in that browser only.
pub(crate) async fn mail(
    app: &App,
    context: &Context,
    device: &str,
    email: EmailAddress,
    purpose: Purpose,
    browser: Option<&FlowSecret>,
) -> Result<(), ApiError> {
    if !app.mail.is_available() {
        return Err(ApiError::unavailable("no mail is configured"));
    }
    app.limits.may_mail_code(context)?;
    let flow_id = FlowId(random::bytes());
    let pepper = pepper(app);
    let code = |length| EmailCode::generate(length, random::bytes);
    // The store decides which of the two codes is mailed.
    let (short, long) = (code(Length::Short), code(Length::Long));
    let link = FlowSecret::new(random::bytes());
    let sealed = |code: &EmailCode| {
        let letter = letter(context, device, purpose, code, browser.map(|_| &link));
        app.mail.seal(flow_id.0, &letter)
    };
    let new = NewCode {
        flow_id,
        email,
        network: network(context),
        site: NetworkPrefix::site(context.address).to_string(),
        purpose,
        short: short.mac(flow_id, &pepper),
        long: long.mac(flow_id, &pepper),
        browser: browser.map(|browser| NewLink {
            browser_hash: browser.hash(),
            link_hash: link.hash(),
        }),
        mail: SealedCodes {
            short: sealed(&short),
            long: sealed(&long),
        },
        asked_at: context.now,
    };
    let audit_context = context.audit_context(actor(purpose));
    match app.store.ask_for_code(new, &audit_context).await? {
        AskedCode::Sent(_) => app.mail.send_waiting().await,
        AskedCode::Wait(wait) => {
            app.limits.refund_code(context);
            return Err(ApiError::rate_limited(seconds(wait)));
        }
        AskedCode::NotSent => app.limits.refund_code(context),
        AskedCode::Full => {
            app.limits.refund_code(context);
            return Err(ApiError::unavailable("too many codes wait to be mailed"));
        }
    }
    Ok(())
}

fn letter(
    context: &Context,
    device: &str,
    purpose: Purpose,
    code: &EmailCode,
    link: Option<&FlowSecret>,
) -> CodeLetter {
    let (purpose, path) = match purpose {
        Purpose::SignIn => (CodePurpose::SignIn, "/sign-in/link"),
        Purpose::SetEmail(_) => (CodePurpose::SetEmail, "/security/email/link"),
    };
    CodeLetter {
        purpose,
        code: code.digits().to_owned(),
        // The token and the code are in the fragment, which browsers do not send to servers.
        link: link.map(|link| format!("{path}#token={}&code={}", link.encode(), code.digits())),
        device: device.to_owned(),
        ip: context.address,
    }
}

/// For the `Retry-After` header: whole seconds, rounded up.
fn seconds(wait: SignedDuration) -> u64 {
    u64::try_from((wait.as_millis() + 999) / 1000).unwrap_or(1).max(1)
}

/// Step 2. Proves an address with a code.
pub(crate) async fn by_code(
    app: &App,
    context: &Context,
    of: CodeOf,
    purpose: Purpose,
    typed: &str,
) -> Result<ProvedEmail, ApiError> {
    app.limits.may_try_code(context)?;
    let attempt = CodeAttempt {
        of,
        purpose,
        typed: TypedCode::new(typed, peppers(app)),
        network: network(context),
        now: context.now,
    };
    let audit_context = context.audit_context(actor(purpose));
    let proved = app.store.consume_code(attempt, &audit_context).await?;
    if proved.is_err() {
        app.limits.charge_wrong_code(context);
    }
    Ok(proved?)
}

/// Step 2. Proves an address with a link, in the browser that requested it.
pub(crate) async fn by_link(
    app: &App,
    context: &Context,
    link: &FlowSecret,
    browser: &FlowSecret,
    purpose: Purpose,
) -> Result<ProvedEmail, ApiError> {
    let consumed = app
        .store
        .consume_link(link.hash(), browser.hash(), purpose, context.now);
    Ok(consumed.await??)
}

/// Step 3. Finds or creates the account of an address that was proved for a login.
pub(crate) async fn account(app: &App, context: &Context, proved: ProvedEmail) -> Result<Account, ApiError> {
    let uuid = || uuid::Builder::from_random_bytes(random::bytes()).into_uuid();
    let new = NewAccount {
        uid: AccountId(uuid()),
        organization_id: OrganizationId(uuid()),
        email: Some(proved.email().clone()),
        created_at: context.now,
    };
    let audit_context = AuditContext {
        actor: new.uid.to_string(),
        ..context.audit_context("")
    };
    let found = app.store.account_by_proved_email(proved, new, &audit_context);
    match found.await? {
        Ok(account) => Ok(account),
        Err(refusal) => {
            let error = ApiError::from(refusal);
            sign_in::note_refusal(app, context, AuthMethod::EmailCode, &error).await?;
            Err(error)
        }
    }
}

/// The pepper for new codes, derived from the key-encryption key.
fn pepper(app: &App) -> CodePepper {
    CodePepper::derive(app.config.keys.kek.expose())
}

/// The peppers of outstanding codes. While the key-encryption key is being replaced, this includes
/// the pepper of the previous one.
fn peppers(app: &App) -> Vec<CodePepper> {
    let keys = &app.config.keys;
    std::iter::once(&keys.kek)
        .chain(&keys.previous_kek)
        .map(|kek| CodePepper::derive(kek.expose()))
        .collect()
}

/// The network that the limits charge.
fn network(context: &Context) -> String {
    NetworkPrefix::of(context.address).to_string()
}

/// The actor in the audit trail: `visitor` before the caller is authenticated.
fn actor(purpose: Purpose) -> String {
    match purpose {
        Purpose::SignIn => "visitor".to_owned(),
        Purpose::SetEmail(uid) => uid.to_string(),
    }
}
