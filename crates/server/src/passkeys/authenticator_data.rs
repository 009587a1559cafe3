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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const FOR_RP: [u8; 32] = [7; 32];

    fn data(flags: u8, rest: &[u8]) -> Vec<u8> {
        [&FOR_RP[..], &[flags, 0, 0, 1, 2], rest].concat()
    }

    #[test]
    fn g07_g08_what_the_flags_say_is_read_as_it_is() {
        let always = USER_PRESENT | USER_VERIFIED;
        for (flags, backup_eligible, backed_up) in [
            (always, false, false),
            (always | BACKUP_ELIGIBLE, true, false),
            (always | BACKUP_ELIGIBLE | BACKED_UP, true, true),
        ] {
            let bytes = data(flags, &[]);
            let read = AuthenticatorData::read(&bytes, &FOR_RP).unwrap();
            assert_eq!(
                (read.backup_eligible, read.backed_up),
                (backup_eligible, backed_up)
            );
            assert_eq!((read.counter, read.credential_id), (0x0102, None));
        }
    }

    proptest! {
        #[test]
        fn g18_no_bytes_are_read_over_their_end(
            flags: u8,
            rest in proptest::collection::vec(any::<u8>(), 0..200),
            cut in 0..240_usize,
        ) {
            let mut bytes = data(flags, &rest);
            bytes.truncate(cut);
            // Whatever comes of it: it comes back.
            if let Ok(read) = AuthenticatorData::read(&bytes, &FOR_RP)
                && let Some(id) = read.credential_id
            {
                prop_assert!((1..=MOST_ID_BYTES).contains(&id.len()));
            }
            let _ = cbor::attestation_object(&bytes);
            let _ = cbor::skip(&rest);
        }
    }
}
