//! Reads the part of CBOR (RFC 8949) that attestation objects and COSE keys need.
//!
//! Items of indefinite length, which CTAP2 forbids, count as malformed, and so does deep nesting.
//! Items borrow from the input, so a false length reserves no memory.

use std::collections::BTreeMap;

/// The major type of a map.
const MAP: u8 = 5;

/// The maximum nesting of items. CTAP2 nests at most four levels.
const MOST_LEVELS: u8 = 8;

/// The bytes after the first item. `None` if the item is malformed or nested too deeply.
fn skip(bytes: &[u8]) -> Option<&[u8]> {
    skip_within(bytes, MOST_LEVELS)
}

fn skip_within(bytes: &[u8], levels: u8) -> Option<&[u8]> {
    let (kind, argument, mut rest) = head(bytes)?;
    let levels = levels.checked_sub(1)?;
    let items = match kind {
        // Integers, simple values and floats consist of their head.
        0 | 1 | 7 => return Some(rest),
        2 | 3 => return rest.get(usize::try_from(argument).ok()?..),
        4 => argument,
        5 => argument.checked_mul(2)?,
        // A tag has one item.
        _ => 1,
    };
    // Each item takes at least one byte, so the length of the input limits the loop.
    for _ in 0..items {
        rest = skip_within(rest, levels)?;
    }
    Some(rest)
}

/// The major type, the argument, and the bytes after them.
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

/// A data item, as far as this service reads it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Item<'a> {
    Integer(i64),
    Bytes(&'a [u8]),
    Text(&'a [u8]),
    /// A map in its encoded form, for [`map`].
    Map(&'a [u8]),
    /// An item of another kind, or an integer beyond 64 bits.
    Other,
}

/// The first item, and the bytes after it.
pub(super) fn item(bytes: &[u8]) -> Option<(Item<'_>, &[u8])> {
    let rest = skip(bytes)?;
    let encoded = &bytes[..bytes.len() - rest.len()];
    let (kind, argument, content) = head(encoded)?;
    let integer = i64::try_from(argument);
    let item = match kind {
        0 => integer.map_or(Item::Other, Item::Integer),
        1 => integer.map_or(Item::Other, |n| Item::Integer(-1 - n)),
        2 => Item::Bytes(content),
        3 => Item::Text(content),
        5 => Item::Map(encoded),
        _ => Item::Other,
    };
    Some((item, rest))
}

/// Reads `bytes` as one map and returns its entries. A map with a repeated key is malformed: two
/// readers could take two different values.
pub(super) fn map(bytes: &[u8]) -> Option<BTreeMap<Item<'_>, Item<'_>>> {
    let (MAP, count, mut rest) = head(bytes)? else {
        return None;
    };
    let mut entries = BTreeMap::new();
    for _ in 0..count {
        let (key, after_key) = item(rest)?;
        let (value, after_value) = item(after_key)?;
        if entries.insert(key, value).is_some() {
            return None;
        }
        rest = after_value;
    }
    rest.is_empty().then_some(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g18_the_end_of_an_item_is_found() {
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
    fn g18_truncated_open_and_deep_items_are_malformed() {
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
        assert_eq!(
            skip(&nested(1 << 20)),
            None,
            "deep nesting does not exhaust the stack"
        );
        assert_eq!(skip(&vec![0xc1; 1 << 20]), None);
    }

    #[test]
    fn g18_a_map_is_read_whole_or_not_at_all() {
        let entries = map(b"\xa5\x01\x18\x2a\x20\x38\xff\x63key\x43abc\x03\xa1\x01\x02\x04\x81\x01").unwrap();
        assert_eq!(
            Vec::from_iter(entries),
            [
                (Item::Integer(-1), Item::Integer(-256)),
                (Item::Integer(1), Item::Integer(42)),
                (Item::Integer(3), Item::Map(b"\xa1\x01\x02")),
                (Item::Integer(4), Item::Other),
                (Item::Text(b"key"), Item::Bytes(b"abc")),
            ]
        );
        // The integers at the ends of 64 bits, and one beyond each.
        for (value, item) in [
            (b"\x1b\x7f\xff\xff\xff\xff\xff\xff\xff", Item::Integer(i64::MAX)),
            (b"\x3b\x7f\xff\xff\xff\xff\xff\xff\xff", Item::Integer(i64::MIN)),
            (b"\x1b\x80\x00\x00\x00\x00\x00\x00\x00", Item::Other),
            (b"\x3b\xff\xff\xff\xff\xff\xff\xff\xff", Item::Other),
        ] {
            let bytes = [&b"\xa1\x01"[..], value].concat();
            assert_eq!(map(&bytes).unwrap()[&Item::Integer(1)], item);
        }
        for bad in [
            &b""[..],
            b"\x63fmt",
            b"\x81\x01",
            b"\xa1\x01",
            b"\xa0\x00",
            b"\xa1\x01\x02\x03",
            b"\xa2\x01\x02",
            b"\xbf\x01\x02\xff",
            // A repeated key, also in another encoding.
            b"\xa2\x01\x02\x01\x02",
            b"\xa2\x01\x02\x18\x01\x03",
            b"\xa2\x63fmt\x01\x78\x03fmt\x02",
            b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff\x01\x02",
        ] {
            assert_eq!(map(bad), None, "{bad:x?}");
        }
    }
}
