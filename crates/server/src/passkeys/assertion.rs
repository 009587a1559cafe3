//! Using a passkey: WebAuthn section 7.2.
//!
//! 1. The challenge finds its ceremony, which is taken away.
//! 2. The credential's id finds the passkey, the user handle the account that it is for. Either may be unknown.
//! 3. Client data and authenticator data are checked, then the signature, all of it for an unknown credential too:
//!    with nobody's key. One answer for every reason.
//! 4. The passkey must be the account's, and be as eligible for backup as when it was made.
//! 5. The counter is judged and moved in the database, in one step.
//!
//! This is written out here, and not left to the library that reads registrations: the layout is fixed and short,
//! the counter's judgement is ours, and signatures are checked by the same code as everywhere else.

use aws_lc_rs::digest::{SHA256, digest};
use http::HeaderMap;
use serde_json::{Value, json};
use tm_auth_core::person::AuthMethod;
use tm_auth_core::{Account, Refusal};
use tm_auth_proto::{AccountId, ErrorCode};
use tm_auth_store::passkey::{CredentialId, Passkey, PasskeyUse, PasskeyUsed};

use super::answer::{Answer, Assertion};
use super::authenticator_data::AuthenticatorData;
use super::ceremony::{self, Kind};
use super::public_key::PublicKey;
use super::refused::{Refused, because};
use super::registration::Record;
use super::{RelyingParty, transports_of};
use crate::app::App;
use crate::app::sign_in;
use crate::error::ApiError;
use crate::http::context::Context;

/// A person proved by a passkey.
pub(super) struct Proved {
    pub(super) account: Account,
    pub(super) used: PasskeyUsed,
}

/// What a browser is asked for. Without `allowed` it shows what it has: no account is named, so none is betrayed.
pub(super) fn options(rp: &RelyingParty, challenge: &str, allowed: &[Passkey]) -> Value {
    let allowed: Vec<Value> = allowed
        .iter()
        .map(|passkey| {
            json!({
                "type": "public-key",
                "id": super::text(&passkey.credential_id),
                "transports": transports_of(passkey),
            })
        })
        .collect();
    json!({
        "publicKey": {
            "challenge": challenge,
            "timeout": ceremony::LIFE.as_millis(),
            "rpId": rp.id,
            "allowCredentials": allowed,
            "userVerification": "required",
        }
    })
}

/// Judges an answer, all of it. At a step-up the account is known before.
pub(super) async fn prove(
    app: &App,
    context: &Context,
    headers: &HeaderMap,
    answer: &Answer<Assertion>,
    known: Option<AccountId>,
) -> Result<Proved, ApiError> {
    let kind = known.map_or(Kind::SignIn, |_| Kind::StepUp);
    let client_data = &answer.response.client_data.0;
    let judge = async |uid, allowed| {
        if uid != known {
            return Err(super::begun_by_another());
        }
        judge(app, context, answer, known, allowed).await
    };
    let judged = ceremony::finish(app, context, headers, kind, client_data, judge).await;
    if let Err(error) = &judged
        && ceremony::is_failure(error)
    {
        sign_in::note_refusal(app, context, AuthMethod::Passkey, error).await?;
    }
    judged
}

/// `allowed` is what a step-up asked for.
async fn judge(
    app: &App,
    context: &Context,
    answer: &Answer<Assertion>,
    known: Option<AccountId>,
    allowed: Vec<CredentialId>,
) -> Result<Proved, ApiError> {
    let rp = app.passkeys()?;
    let credential_id = answer.credential_id()?.to_vec();
    if known.is_some() && !allowed.contains(&credential_id) {
        return Err(because("not one that was asked for").into());
    }
    let passkey = app.store.passkey(credential_id.clone()).await?;
    let owner = owner(app, answer, passkey.as_ref(), known).await?;
    let (account, used) = verify(rp, answer, passkey, owner)?;
    if account.disabled_at.is_some() {
        return Err(ApiError::new(ErrorCode::AccountDisabled));
    }
    let origin = context.origin(account.uid);
    let noted = app.store.use_passkey(credential_id, used, &origin);
    let used = noted.await?.map_err(|refusal| match refusal {
        Refusal::PasskeyRefused => {
            ApiError::from(because("the counter went back, or it was removed just now"))
        }
        other => other.into(),
    })?;
    Ok(Proved { account, used })
}

/// Whom the user handle names. "If the user was not identified before the authentication ceremony was initiated,
/// verify that response.userHandle is present"; else it may be left out.
async fn owner(
    app: &App,
    answer: &Answer<Assertion>,
    passkey: Option<&(Passkey, Account)>,
    known: Option<AccountId>,
) -> Result<Option<AccountId>, ApiError> {
    let Some(handle) = &answer.response.user_handle else {
        return Ok(known.and(passkey.map(|(_, account)| account.uid)));
    };
    let Ok(handle) = handle.0.as_slice().try_into() else {
        return Ok(None);
    };
    let owner = app.store.account_by_user_handle(handle).await?;
    Ok(owner.map(|account| account.uid))
}

fn verify(
    rp: &RelyingParty,
    answer: &Answer<Assertion>,
    passkey: Option<(Passkey, Account)>,
    owner: Option<AccountId>,
) -> Result<(Account, PasskeyUse), Refused> {
    let response = &answer.response;
    let data = AuthenticatorData::read(&response.authenticator_data.0, &rp.id_hash)?;
    let key = match &passkey {
        Some((passkey, _)) => read_record(passkey)?.public_key,
        None => PublicKey::dummy(),
    };
    // "Let hash be the result of computing a hash over the cData using SHA-256": over the bytes as they came.
    let hash = digest(&SHA256, &response.client_data.0);
    let signed = [&response.authenticator_data.0, hash.as_ref()].concat();
    let holds = key.verifies(&signed, &response.signature.0);
    let (passkey, account) = passkey.ok_or(because("unknown credential"))?;
    if !holds {
        return Err(because("the signature does not hold"));
    }
    if owner != Some(account.uid) {
        return Err(because("the user handle names somebody else"));
    }
    if data.backup_eligible != passkey.backup_eligible {
        return Err(because("it became, or is no longer, eligible for backup"));
    }
    let used = PasskeyUse {
        counter: data.counter,
        backed_up: data.backed_up,
    };
    Ok((account, used))
}

pub(super) fn read_record(passkey: &Passkey) -> Result<Record, Refused> {
    serde_json::from_str(&passkey.credential).map_err(|_| because("its row cannot be read"))
}
