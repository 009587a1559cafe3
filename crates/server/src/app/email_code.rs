//! Mailed codes, for the API and the pages alike.
//!
//! 1. [`mail`]: the address's and the network's limits decide, silently, whether a mail goes out. Whoever asks
//!    learns nothing: the answer is the same for every address that is one, and the mail is only queued.
//! 2. [`by_code`] and [`by_link`] turn what came back into a proved address, once.
//! 3. [`account`] gives the account of that address; a new one where it had none.

use tm_auth_core::one_time_code::{CodePepper, FlowId, LIFE, Length, OneTimeCode, Purpose, TypedCode};
use tm_auth_core::person::AuthMethod;
use tm_auth_core::secret::FlowSecret;
use tm_auth_core::{Account, EmailAddress};
use tm_auth_proto::{AccountId, OrganizationId};
use tm_auth_store::sign_in_code::{CodeAttempt, CodeOf, NewCode, NewLink, ProvedEmail};
use tm_auth_store::{NewAccount, Origin};

use super::App;
use super::sign_in;
use crate::error::ApiError;
use crate::http::client_address::NetworkPrefix;
use crate::http::context::Context;
use crate::mail::templates::{self, CodePurpose, EmailCode};
use crate::random;

/// Mails a code, and to a browser a link beside it, where the limits allow. `browser` is what the asking
/// browser's cookie carries: only there will code and link work.
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
    if !app.limits.may_mail_code(context) {
        return Ok(());
    }
    let flow_id = FlowId(random::bytes());
    let pepper = pepper(app);
    let code = |length| OneTimeCode::generate(length, random::bytes);
    // Which one is mailed, the store decides; so both are made.
    let (short, long) = (code(Length::Short), code(Length::Long));
    let link = FlowSecret::new(random::bytes());
    let new = NewCode {
        flow_id,
        email: email.clone(),
        network: network(context),
        purpose,
        short: short.mac(flow_id, &pepper),
        long: long.mac(flow_id, &pepper),
        browser: browser.map(|browser| NewLink {
            browser_hash: browser.hash(),
            link_hash: link.hash(),
        }),
        asked_at: context.now,
    };
    let origin = context.origin(actor(purpose));
    let code = match app.database(app.store.ask_for_code(new, &origin)).await? {
        Some(Length::Short) => short,
        Some(Length::Long) => long,
        None => return Ok(()),
    };
    // Both in the fragment, which browsers send to nobody.
    let link = browser.map(|_| {
        let path = match purpose {
            Purpose::SignIn => "/sign-in/link",
            Purpose::SetEmail(_) => "/security/email/link",
        };
        format!("{path}#token={}&code={}", link.encode(), code.digits())
    });
    let sent = app.mail.send(templates::email_code(
        app.letterhead(),
        context,
        &EmailCode {
            to: email.as_str(),
            purpose: match purpose {
                Purpose::SignIn => CodePurpose::SignIn,
                Purpose::SetEmail(_) => CodePurpose::SetEmail,
            },
            code: code.digits(),
            link: link.as_deref(),
            device,
            expires_at: context.now + LIFE,
        },
    ));
    if sent.is_err() {
        // Or the next wish would be refused for a mail that nobody got.
        app.database(app.store.withdraw_code(flow_id)).await?;
    }
    sent
}

/// Proves an address by a code.
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
    let origin = context.origin(actor(purpose));
    let proved = app.database(app.store.consume_code(attempt, &origin)).await?;
    if proved.is_err() {
        app.limits.charge_wrong_code(context);
    }
    Ok(proved?)
}

/// Proves an address by a link, in the browser that asked for it.
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
    Ok(app.database(consumed).await??)
}

/// The account of an address that was proved for signing in.
pub(crate) async fn account(app: &App, context: &Context, proved: ProvedEmail) -> Result<Account, ApiError> {
    let uuid = || uuid::Builder::from_random_bytes(random::bytes()).into_uuid();
    let new = NewAccount {
        uid: AccountId(uuid()),
        organization_id: OrganizationId(uuid()),
        email: Some(proved.email().to_string()),
        created_at: context.now,
    };
    let origin = Origin {
        actor: new.uid.to_string(),
        ..context.origin("")
    };
    let found = app.store.account_by_proved_email(proved, new, &origin);
    match app.database(found).await? {
        Ok(account) => Ok(account),
        Err(refusal) => {
            let error = ApiError::from(refusal);
            sign_in::note_refusal(app, context, AuthMethod::EmailCode, &error).await?;
            Err(error)
        }
    }
}

/// The one in use, which the key-encryption key gives.
fn pepper(app: &App) -> CodePepper {
    CodePepper::derive(app.config.keys.kek.expose())
}

/// That one, and the one before it while the key-encryption key is being exchanged.
fn peppers(app: &App) -> Vec<CodePepper> {
    let keys = &app.config.keys;
    std::iter::once(&keys.kek)
        .chain(&keys.previous_kek)
        .map(|kek| CodePepper::derive(kek.expose()))
        .collect()
}

/// Whom limits count.
fn network(context: &Context) -> String {
    NetworkPrefix::of(context.address).to_string()
}

/// Who acts: before the proof nobody in particular.
fn actor(purpose: Purpose) -> String {
    match purpose {
        Purpose::SignIn => "visitor".to_owned(),
        Purpose::SetEmail(uid) => uid.to_string(),
    }
}
