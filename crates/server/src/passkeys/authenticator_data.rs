//! What the authenticator says and signs: WebAuthn section 6.1.

use super::cbor;
use super::refused::{Refused, because};

/// Longest credential id (section 5.8.3: "at most 1023 bytes").
const MOST_ID_BYTES: usize = 1023;

const USER_PRESENT: u8 = 1 << 0;
const USER_VERIFIED: u8 = 1 << 2;
const BACKUP_ELIGIBLE: u8 = 1 << 3;
const BACKED_UP: u8 = 1 << 4;
const HAS_CREDENTIAL: u8 = 1 << 6;
const HAS_EXTENSIONS: u8 = 1 << 7;

/// Authenticator data, taken apart.
pub(super) struct AuthenticatorData<'a> {
    pub(super) counter: u32,
    pub(super) backup_eligible: bool,
    pub(super) backed_up: bool,
    /// The id of the credential that was made, at a registration.
    pub(super) credential_id: Option<&'a [u8]>,
}

impl<'a> AuthenticatorData<'a> {
    /// Reads and checks what holds for registrations and assertions alike.
    pub(super) fn read(bytes: &'a [u8], rp_id_hash: &[u8]) -> Result<Self, Refused> {
        let malformed = because("malformed authenticator data");
        let (for_rp, rest) = bytes.split_at_checked(32).ok_or(malformed)?;
        let (fixed, rest) = rest.split_first_chunk::<5>().ok_or(malformed)?;
        let &[flags, c0, c1, c2, c3] = fixed;
        let has = |flag: u8| flags & flag != 0;

        let (credential_id, rest) = if has(HAS_CREDENTIAL) {
            let (id, rest) = credential(rest).ok_or(malformed)?;
            (Some(id), rest)
        } else {
            (None, rest)
        };
        let rest = if has(HAS_EXTENSIONS) {
            cbor::skip(rest).ok_or(malformed)?
        } else {
            rest
        };
        if !rest.is_empty() {
            return Err(malformed);
        }
        // "Verify that the rpIdHash in authData is the SHA-256 hash of the RP ID expected by the Relying Party."
        if for_rp != rp_id_hash {
            return Err(because("made for another site"));
        }
        if !has(USER_PRESENT) {
            return Err(because("nobody was present"));
        }
        if !has(USER_VERIFIED) {
            return Err(because("the user was not verified"));
        }
        // "If the BE bit of the flags in authData is not set, verify that the BS bit is not set."
        if has(BACKED_UP) && !has(BACKUP_ELIGIBLE) {
            return Err(because("backed up without being eligible"));
        }
        Ok(Self {
            counter: u32::from_be_bytes([c0, c1, c2, c3]),
            backup_eligible: has(BACKUP_ELIGIBLE),
            backed_up: has(BACKED_UP),
            credential_id,
        })
    }
}

/// The id of attested credential data, and what follows its key.
fn credential(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (_model, rest) = bytes.split_at_checked(16)?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let (id, key) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    let is_in_bounds = (1..=MOST_ID_BYTES).contains(&id.len());
    is_in_bounds.then_some((id, cbor::skip(key)?))
}
