//! As much CBOR (RFC 8949) as it takes to see where things begin and end. What a value means is read by the
//! library; here nothing may be nested deeply, have an open end, or be followed by something.

/// CTAP2 nests four levels at most; an attestation with certificates three.
const MOST_LEVELS: u8 = 8;

/// The bytes after the first item. `None`: it is malformed or nested too deeply.
pub(super) fn skip(bytes: &[u8]) -> Option<&[u8]> {
    skip_within(bytes, MOST_LEVELS)
}

fn skip_within(bytes: &[u8], levels: u8) -> Option<&[u8]> {
    let (kind, argument, mut rest) = head(bytes)?;
    let levels = levels.checked_sub(1)?;
    let items = match kind {
        // Numbers, simple values and floats are their head.
        0 | 1 | 7 => return Some(rest),
        2 | 3 => return rest.get(usize::try_from(argument).ok()?..),
        4 => argument,
        5 => argument.checked_mul(2)?,
        // A tag has one item.
        _ => 1,
    };
    // Each item takes a byte at least, so no announced number makes this long.
    for _ in 0..items {
        rest = skip_within(rest, levels)?;
    }
    Some(rest)
}

/// Major type, argument and what follows. An indefinite length, which CTAP2 forbids, is malformed here.
fn head(bytes: &[u8]) -> Option<(u8, u64, &[u8])> {
    let (&first, rest) = bytes.split_first()?;
    let (kind, info) = (first >> 5, first & 0x1f);
    let width = match info {
        0..=23 => return Some((kind, u64::from(info), rest)),
        24..=27 => 1_usize << (info - 24),
        _ => return None,
    };
    let (argument, rest) = rest.split_at_checked(width)?;
    let argument = argument.iter().fold(0, |sum, byte| (sum << 8) | u64::from(*byte));
    Some((kind, argument, rest))
}

/// The text or byte string at the beginning, and what follows.
fn string(bytes: &[u8], kind: u8) -> Option<(&[u8], &[u8])> {
    let (found, length, rest) = head(bytes)?;
    (found == kind).then_some(())?;
    rest.split_at_checked(usize::try_from(length).ok()?)
}

/// `fmt` and `authData` of an attestation object, which must be the whole of `bytes`.
pub(super) fn attestation_object(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    const BYTES: u8 = 2;
    const TEXT: u8 = 3;
    const MAP: u8 = 5;
    let (kind, entries, mut rest) = head(bytes)?;
    (kind == MAP).then_some(())?;
    let (mut fmt, mut auth_data) = (None, None);
    for _ in 0..entries {
        let (name, value) = string(rest, TEXT)?;
        rest = skip(value)?;
        let twice = match name {
            b"fmt" => fmt.replace(string(value, TEXT)?.0).is_some(),
            b"authData" => auth_data.replace(string(value, BYTES)?.0).is_some(),
            _ => false,
        };
        if twice {
            return None;
        }
    }
    rest.is_empty().then_some((fmt?, auth_data?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g18_an_item_ends_where_it_ends() {
        for (bytes, left) in [
            (&b"\x00rest"[..], 4),
            (b"\x18\xffrest", 4),
            (b"\x1b\x00\x00\x00\x00\x00\x00\x00\x01rest", 4),
            (b"\x44abcdrest", 4),
            (b"\x82\x01\x02rest", 4),
            (b"\xa1\x01\x63abcrest", 4),
            (b"\xc1\x01rest", 4),
            (b"\xf5", 0),
            (b"\xfb\x00\x00\x00\x00\x00\x00\x00\x00rest", 4),
        ] {
            assert_eq!(skip(bytes).map(<[u8]>::len), Some(left), "{bytes:x?}");
        }
    }

    #[test]
    fn g18_what_is_cut_off_open_or_too_deep_is_malformed() {
        for bytes in [
            &b""[..],
            b"\x18",
            b"\x44abc",
            b"\x82\x01",
            b"\xa1\x01",
            b"\x9f\x01\xff",
            b"\x5f\x41a\xff",
            b"\x1c",
            // 2^64 - 1 bytes, items, pairs.
            b"\x5b\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff",
        ] {
            assert_eq!(skip(bytes), None, "{bytes:x?}");
        }
        let nested = |levels: usize| [vec![0x81; levels], vec![0]].concat();
        assert_eq!(skip(&nested(7)), Some(&[][..]));
        assert_eq!(skip(&nested(8)), None);
        assert_eq!(skip(&nested(1 << 20)), None, "no stack is used up");
        assert_eq!(skip(&vec![0xc1; 1 << 20]), None);
    }

    #[test]
    fn g18_an_attestation_object_is_one_map_and_nothing_more() {
        let object = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x43abc";
        assert_eq!(attestation_object(object), Some((&b"none"[..], &b"abc"[..])));
        for bad in [
            &b"\x63fmt"[..],
            b"\xa0",
            b"\xa1\x63fmt\x64none",
            b"\xa2\x63fmt\x64none\x68authData\x63abc",
            b"\xa2\x63fmt\x44none\x68authData\x43abc",
            b"\xa2\x01\x64none\x68authData\x43abc",
            b"\xa3\x63fmt\x64none\x63fmt\x64none\x68authData\x43abc",
            b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x43abcd",
        ] {
            assert_eq!(attestation_object(bad), None, "{bad:x?}");
        }
    }
}
