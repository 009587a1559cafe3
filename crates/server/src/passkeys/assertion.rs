//! Verifying an assertion: WebAuthn section 7.2.
//!
//! - The page does steps 1 to 4.
//! - Steps 5 and 6 find the passkey by the credential id and the account by the user handle. At a
//!   step-up, the options must have allowed the credential.
//! - Steps 7 to 14 verify the client data. [`ceremony::finish`] has done them before.
//! - Steps 15 to 18 verify the authenticator data: relying party, user presence, user verification,
//!   backup flags.
//! - Step 19: the passkey is as eligible for backup as at its registration.
//! - Steps 20 and 21 verify the signature.
//! - Step 22, the check of the counter, and step 24, the update of the record, are one
//!   transaction of the store. Step 23: extension outputs are ignored.
//!
//! For an unknown credential the service does the same steps up to the signature, with a dummy key.
//! So neither the response nor its time reveals which credentials exist. The checks that depend on
//! the passkey come after the signature.

use aws_lc_rs::digest::{SHA256, digest};
use http::HeaderMap;
use serde_json::{Value, json};
use tm_auth_core::user::AuthMethod;
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

/// The account whose passkey made a valid assertion.
pub(super) struct Authenticated {
    pub(super) account: Account,
    pub(super) used: PasskeyUsed,
}

/// The options for the browser (section 5.5). Without `allowed` the browser offers every passkey
/// that it has for this site: the options name no account, so they reveal none.
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
            "timeout": ceremony::LIFETIME.as_millis(),
            "rpId": rp.id,
            "allowCredentials": allowed,
            "userVerification": "required",
        }
    })
}

/// Verifies an answer. `known` is the logged-in account, at a step-up.
pub(super) async fn authenticate(
    app: &App,
    context: &Context,
    headers: &HeaderMap,
    answer: &Answer<Assertion>,
    known: Option<AccountId>,
) -> Result<Authenticated, ApiError> {
    let kind = known.map_or(Kind::SignIn, |_| Kind::StepUp);
    let client_data = &answer.response.client_data.0;
    let verify = async |uid, allowed| {
        if uid != known {
            return Err(super::begun_by_another());
        }
        verify_answer(app, context, answer, known, allowed).await
    };
    let verified = ceremony::finish(app, context, headers, kind, client_data, verify).await;
    if let Err(error) = &verified
        && ceremony::is_failure(error)
    {
        sign_in::note_refusal(app, context, AuthMethod::Passkey, error).await?;
    }
    verified
}

/// Does the steps after those of the client data. `allowed` are the credentials that the options of
/// a step-up allowed.
async fn verify_answer(
    app: &App,
    context: &Context,
    answer: &Answer<Assertion>,
    known: Option<AccountId>,
    allowed: Vec<CredentialId>,
) -> Result<Authenticated, ApiError> {
    let rp = &RelyingParty::of(&app.config)?;
    let credential_id = answer.credential_id()?.to_vec();
    if known.is_some() && !allowed.contains(&credential_id) {
        return Err(because("a credential that the options did not allow").into());
    }
    let passkey = app.store.passkey(credential_id.clone()).await?;
    let owner = owner(app, answer, passkey.as_ref(), known).await?;
    let (account, used) = verify(rp, answer, passkey, owner)?;
    if account.disabled_at.is_some() {
        return Err(ApiError::new(ErrorCode::AccountDisabled));
    }
    let audit_context = context.audit_context(account.uid);
    let noted = app.store.use_passkey(credential_id, used, &audit_context);
    let used = noted.await?.map_err(|refusal| match refusal {
        Refusal::PasskeyRefused => ApiError::from(because(
            "the counter did not grow, or the passkey was removed just now",
        )),
        other => other.into(),
    })?;
    Ok(Authenticated { account, used })
}

/// The account that the user handle names, by step 6: "If the user was not identified before the
/// authentication ceremony was initiated, [...] verify that response.userHandle is present." At a
/// step-up it may be absent.
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
    // "Let hash be the result of computing a hash over the cData using SHA-256": the bytes as they
    // came, a byte order mark included.
    let hash = digest(&SHA256, &response.client_data.0);
    let signed = [&response.authenticator_data.0, hash.as_ref()].concat();
    let is_valid = key.verifies(&signed, &response.signature.0);
    let (passkey, account) = passkey.ok_or(because("unknown credential"))?;
    if !is_valid {
        return Err(because("the signature does not verify"));
    }
    if owner != Some(account.uid) {
        return Err(because("the user handle names another account"));
    }
    if data.backup_eligible != passkey.backup_eligible {
        return Err(because("the backup eligibility changed"));
    }
    let used = PasskeyUse {
        counter: data.counter,
        backed_up: data.backed_up,
    };
    Ok((account, used))
}

pub(super) fn read_record(passkey: &Passkey) -> Result<Record, Refused> {
    serde_json::from_str(&passkey.credential).map_err(|_| because("the stored passkey cannot be read"))
}
