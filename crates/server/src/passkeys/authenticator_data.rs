//! Authenticator data, which the authenticator writes and signs: WebAuthn section 6.1.

use super::cbor::{self, Item};
use super::refused::{Refused, because};

/// The maximum length of a credential id, in bytes (section 6.5.1: "Value MUST be ≤ 1023").
const MOST_ID_BYTES: usize = 1023;

const USER_PRESENT: u8 = 1 << 0;
const USER_VERIFIED: u8 = 1 << 2;
const BACKUP_ELIGIBLE: u8 = 1 << 3;
const BACKED_UP: u8 = 1 << 4;
const HAS_CREDENTIAL: u8 = 1 << 6;
const HAS_EXTENSIONS: u8 = 1 << 7;

/// Parsed authenticator data.
pub(super) struct AuthenticatorData<'a> {
    pub(super) counter: u32,
    pub(super) backup_eligible: bool,
    pub(super) backed_up: bool,
    /// The new credential. Assertions have none.
    pub(super) credential: Option<AttestedCredential<'a>>,
}

/// Attested credential data (section 6.5.1). The AAGUID is not read: without attestation nothing
/// vouches for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AttestedCredential<'a> {
    pub(super) id: &'a [u8],
    /// A COSE_Key.
    pub(super) public_key: &'a [u8],
}

impl<'a> AuthenticatorData<'a> {
    /// Reads authenticator data, and checks what registrations and assertions have in common: steps
    /// 14 to 17 of section 7.1, steps 15 to 18 of section 7.2.
    pub(super) fn read(bytes: &'a [u8], rp_id_hash: &[u8]) -> Result<Self, Refused> {
        let malformed = because("malformed authenticator data");
        let (for_rp, rest) = bytes.split_at_checked(32).ok_or(malformed)?;
        let (fixed, rest) = rest.split_first_chunk::<5>().ok_or(malformed)?;
        let &[flags, c0, c1, c2, c3] = fixed;
        let has = |flag: u8| flags & flag != 0;

        let (credential, rest) = if has(HAS_CREDENTIAL) {
            let (credential, rest) = credential(rest).ok_or(malformed)?;
            (Some(credential), rest)
        } else {
            (None, rest)
        };
        let rest = if has(HAS_EXTENSIONS) {
            let (_extensions, rest) = map(rest).ok_or(malformed)?;
            rest
        } else {
            rest
        };
        if !rest.is_empty() {
            return Err(malformed);
        }
        // "Verify that the rpIdHash in authData is the SHA-256 hash of the RP ID expected by the
        // Relying Party."
        if for_rp != rp_id_hash {
            return Err(because("made for another relying party"));
        }
        if !has(USER_PRESENT) {
            return Err(because("the user was not present"));
        }
        if !has(USER_VERIFIED) {
            return Err(because("the user was not verified"));
        }
        // "If the BE bit of the flags in authData is not set, verify that the BS bit is not set."
        if has(BACKED_UP) && !has(BACKUP_ELIGIBLE) {
            return Err(because("backed up, but not eligible for backup"));
        }
        Ok(Self {
            counter: u32::from_be_bytes([c0, c1, c2, c3]),
            backup_eligible: has(BACKUP_ELIGIBLE),
            backed_up: has(BACKED_UP),
            credential,
        })
    }
}

/// The attested credential data at the beginning, and the bytes after it.
fn credential(bytes: &[u8]) -> Option<(AttestedCredential<'_>, &[u8])> {
    let (_aaguid, rest) = bytes.split_at_checked(16)?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let (id, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    let (public_key, rest) = map(rest)?;
    let is_in_bounds = (1..=MOST_ID_BYTES).contains(&id.len());
    is_in_bounds.then_some((AttestedCredential { id, public_key }, rest))
}

/// The CBOR map at the beginning, and the bytes after it.
fn map(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    match cbor::item(bytes)? {
        (Item::Map(encoded), rest) => Some((encoded, rest)),
        _ => None,
    }
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
    fn g07_g08_flags_and_counter_are_read() {
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
            assert_eq!((read.counter, read.credential), (0x0102, None));
        }
    }

    fn with_credential(id: &[u8], key: &[u8]) -> Vec<u8> {
        let length = u16::try_from(id.len()).unwrap().to_be_bytes();
        let rest = [&[0; 16], &length[..], id, key].concat();
        data(USER_PRESENT | USER_VERIFIED | HAS_CREDENTIAL, &rest)
    }

    #[test]
    fn g10_g18_a_credential_is_its_id_and_its_key_and_no_more() {
        let key: &[u8] = b"\xa1\x01\x02";
        for length in [1, 16, 64, 1023] {
            let id = vec![7; length];
            let bytes = with_credential(&id, key);
            let read = AuthenticatorData::read(&bytes, &FOR_RP).unwrap();
            let expected = AttestedCredential {
                id: &id,
                public_key: key,
            };
            assert_eq!(read.credential, Some(expected));
            for cut in 0..bytes.len() {
                assert_eq!(malformed(&bytes[..cut]), because("malformed authenticator data"));
            }
        }
        for bytes in [
            with_credential(&[], key),
            with_credential(&[7; 1024], key),
            with_credential(&[7; 16], b""),
            // A key that is not a map; bytes after the key.
            with_credential(&[7; 16], b"\x41a"),
            with_credential(&[7; 16], b"\xa1\x01\x02\x00"),
        ] {
            assert_eq!(malformed(&bytes), because("malformed authenticator data"));
        }
    }

    #[test]
    fn g18_extensions_are_one_map() {
        let flags = USER_PRESENT | USER_VERIFIED | HAS_EXTENSIONS;
        for good in [&b"\xa0"[..], b"\xa1\x63new\xf5"] {
            assert!(AuthenticatorData::read(&data(flags, good), &FOR_RP).is_ok());
        }
        for bad in [&b""[..], b"\xf5", b"\x80", b"\xa0\xa0", b"\xbf\xff"] {
            assert_eq!(
                malformed(&data(flags, bad)),
                because("malformed authenticator data")
            );
        }
    }

    fn malformed(bytes: &[u8]) -> Refused {
        let Err(refused) = AuthenticatorData::read(bytes, &FOR_RP) else {
            panic!("it is read");
        };
        refused
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
            if let Ok(read) = AuthenticatorData::read(&bytes, &FOR_RP)
                && let Some(credential) = read.credential
            {
                prop_assert!((1..=MOST_ID_BYTES).contains(&credential.id.len()));
            }
            let _ = cbor::map(&rest);
        }
    }
}
