//! Making a passkey: WebAuthn section 7.1. The library reads attestation and key; what it leaves open is checked
//! before and after.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tm_auth_store::passkey::{CredentialId, NewPasskey, PasskeyUser};
use webauthn_rs::prelude::{PasskeyRegistration, RegisterPublicKeyCredential, Uuid};

use super::RelyingParty;
use super::answer::{Answer, Attestation};
use super::authenticator_data::AuthenticatorData;
use super::public_key::{OFFERED, PublicKey};
use super::refused::{Refused, because};
use super::{cbor, client_data};
use crate::error::ApiError;

/// What of a passkey never changes, as it is kept.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) public_key: PublicKey,
    /// How its authenticator can be reached, as the browser said.
    pub(super) transports: Vec<String>,
    /// Whether its user was verified when it was made: always, since nothing less is accepted.
    pub(super) user_verified: bool,
}

/// What a browser is asked for, the challenge in it, and what its answer is judged by.
pub(super) fn options(
    rp: &RelyingParty,
    user: &PasskeyUser,
    name: &str,
    exclude: Vec<CredentialId>,
) -> Result<(Value, Vec<u8>, PasskeyRegistration), ApiError> {
    // The library's user ids have 16 bytes; section 14.6.1 recommends 64 random ones, which take their place.
    let (mut options, state) = rp
        .library
        .start_passkey_registration(Uuid::nil(), name, name, Some(exclude))
        .map_err(ApiError::internal)?;
    let asked = &mut options.public_key;
    asked.user.id = user.handle.to_vec();
    asked
        .pub_key_cred_params
        .retain(|offer| OFFERED.contains(&offer.alg));
    let challenge = asked.challenge.clone();
    let mut options = serde_json::to_value(options).map_err(ApiError::internal)?;
    // Kept by the authenticator, so that it is found without a user name.
    let selection = &mut options["publicKey"]["authenticatorSelection"];
    selection["residentKey"] = "required".into();
    selection["requireResidentKey"] = true.into();
    Ok((options, challenge, state))
}

/// Judges an answer whose challenge is the one of `state`.
pub(super) fn verify(
    rp: &RelyingParty,
    answer: &Answer<Attestation>,
    state: &PasskeyRegistration,
    name: String,
    now: Timestamp,
) -> Result<NewPasskey, Refused> {
    let credential_id = answer.credential_id()?;
    let response = &answer.response;
    let (format, auth_data) =
        cbor::attestation_object(&response.object.0).ok_or(because("malformed attestation object"))?;
    // None was asked for; some authenticators sign with the new key itself all the same. Other formats carry
    // certificates that nobody here would look at.
    if !matches!(format, b"none" | b"packed") {
        return Err(because("an attestation that was not asked for"));
    }
    let data = AuthenticatorData::read(auth_data, &rp.id_hash)?;
    if data.credential_id != Some(credential_id) {
        return Err(because("another credential's data"));
    }
    let made = rp
        .library
        .finish_passkey_registration(&for_library(credential_id, response)?, state)
        .map_err(|_| because("the library refuses it"))?;
    let public_key = PublicKey::offered(made.get_public_key()).ok_or(because("no key that was asked for"))?;
    let record = Record {
        public_key,
        transports: known_transports(&response.transports),
        user_verified: true,
    };
    Ok(NewPasskey {
        credential_id: credential_id.to_vec(),
        name,
        credential: serde_json::to_string(&record).map_err(|_| because("it cannot be written down"))?,
        counter: data.counter,
        backup_eligible: data.backup_eligible,
        backed_up: data.backed_up,
        created_at: now,
    })
}

/// The answer in the library's own types, which come from JSON only.
fn for_library(credential_id: &[u8], response: &Attestation) -> Result<RegisterPublicKeyCredential, Refused> {
    let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let id = text(credential_id);
    serde_json::from_value(json!({
        "id": id,
        "rawId": id,
        "type": "public-key",
        "response": {
            "attestationObject": text(&response.object.0),
            // Nothing signs it where there is no attestation, so the byte order mark may go.
            "clientDataJSON": text(client_data::text(&response.client_data.0)),
        },
    }))
    .map_err(|_| because("the library does not read it"))
}

/// The words of section 5.8.4. Others may come with time; they say nothing to anybody here.
fn known_transports(named: &[String]) -> Vec<String> {
    ["ble", "hybrid", "internal", "nfc", "smart-card", "usb"]
        .into_iter()
        .filter(|known| named.iter().any(|named| named == known))
        .map(ToOwned::to_owned)
        .collect()
}
