//! Registering a passkey: WebAuthn section 7.1.
//!
//! The service requests no attestation and trusts none. An attestation would certify the model of
//! the authenticator, and every model is accepted.

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tm_auth_store::passkey::{CredentialId, NewPasskey, PasskeyUser};

use super::answer::{Answer, Attestation};
use super::attestation::AttestationObject;
use super::authenticator_data::AuthenticatorData;
use super::public_key::{OFFERED, PublicKey};
use super::refused::{Refused, because};
use super::{RelyingParty, ceremony};

/// The part of a credential record (section 4) that never changes, as the store keeps it.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) public_key: PublicKey,
    /// How the browser reaches the authenticator, as the browser reported it.
    pub(super) transports: Vec<String>,
    /// Whether the user was verified at the registration. Always true, since the service accepts
    /// nothing else.
    pub(super) user_verified: bool,
}

/// The options for the browser (section 5.4). `name` is the account's name in the lists of the
/// browser.
pub(super) fn options(
    rp: &RelyingParty,
    user: &PasskeyUser,
    name: &str,
    challenge: &[u8],
    exclude: &[CredentialId],
) -> Value {
    let algorithms = OFFERED.map(|alg| json!({ "type": "public-key", "alg": alg }));
    let exclude: Vec<Value> = exclude
        .iter()
        .map(|id| json!({ "type": "public-key", "id": super::text(id) }))
        .collect();
    json!({
        "publicKey": {
            "rp": { "id": rp.id, "name": "True Markets" },
            "user": { "id": super::text(&user.handle), "name": name, "displayName": name },
            "challenge": super::text(challenge),
            "pubKeyCredParams": algorithms,
            "timeout": ceremony::LIFETIME.as_millis(),
            "excludeCredentials": exclude,
            // A discoverable credential: a login finds it without a user name.
            "authenticatorSelection": {
                "residentKey": "required",
                "requireResidentKey": true,
                "userVerification": "required",
            },
            "attestation": "none",
            "extensions": {
                // CTAP 2.1 section 12.1: a security key reveals the credential only to a verified
                // user. Not enforced: browsers would refuse an authenticator without the extension.
                "credentialProtectionPolicy": "userVerificationRequired",
                "enforceCredentialProtectionPolicy": false,
                "credProps": true,
                "uvm": true,
            },
        }
    })
}

/// Verifies the answer to [`options`] by the steps of section 7.1:
///
/// - The page does steps 1 to 4.
/// - Steps 5 to 11 verify the client data. [`ceremony::finish`] has done them.
/// - Steps 12 and 13 hash the client data and parse the attestation object.
/// - Steps 14 to 17 verify the authenticator data: relying party, user presence, user verification,
///   backup flags.
/// - Steps 18 and 19 evaluate the backup flags. They are kept, and a login must have the same
///   backup eligibility.
/// - Step 20: the public key is of an offered algorithm. It must also be valid.
/// - Steps 21 to 24 verify the attestation statement: none, or self attestation.
/// - Step 25: the credential id has at most 1023 bytes. [`AuthenticatorData`] refuses a longer one.
/// - Step 26: the credential id is not registered yet. This function refuses the ids that the
///   options excluded. The store refuses all others, in the transaction of steps 27 and 29.
/// - Step 28: extension outputs are ignored.
pub(super) fn verify(
    rp: &RelyingParty,
    answer: &Answer<Attestation>,
    excluded: &[CredentialId],
    name: String,
    now: Timestamp,
) -> Result<NewPasskey, Refused> {
    let response = &answer.response;
    let client_data_hash = digest(&SHA256, &response.client_data.0);
    let object = AttestationObject::read(&response.object.0)?;
    let data = AuthenticatorData::read(object.authenticator_data, &rp.id_hash)?;
    let credential = data.credential.ok_or(because("no credential"))?;
    // In addition to the numbered steps: the id in the answer must be the one in the data.
    if credential.id != answer.credential_id()? {
        return Err(because("another credential's data"));
    }
    let public_key =
        PublicKey::from_cose(credential.public_key).ok_or(because("no valid key of an offered algorithm"))?;
    object.verify(&public_key, client_data_hash.as_ref())?;
    if excluded.iter().any(|excluded| excluded == credential.id) {
        return Err(because("a credential that the options excluded"));
    }
    let record = Record {
        public_key,
        transports: known_transports(&response.transports),
        user_verified: true,
    };
    Ok(NewPasskey {
        credential_id: credential.id.to_vec(),
        name,
        credential: serde_json::to_string(&record).map_err(|_| because("the record cannot be serialized"))?,
        counter: data.counter,
        backup_eligible: data.backup_eligible,
        backed_up: data.backed_up,
        created_at: now,
    })
}

/// The transports that section 5.8.4 names. Leaves out all others.
fn known_transports(named: &[String]) -> Vec<String> {
    ["ble", "hybrid", "internal", "nfc", "smart-card", "usb"]
        .into_iter()
        .filter(|known| named.iter().any(|named| named == known))
        .map(ToOwned::to_owned)
        .collect()
}

#[cfg(test)]
mod tests;
