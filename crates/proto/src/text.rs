//! Text from files and requests: UTF-8, with or without a byte order mark.

/// Why bytes are not text. The message contains none of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotUtf8 {
    /// Windows PowerShell and some editors save this encoding.
    #[error("is UTF-16, but must be UTF-8")]
    Utf16,
    /// Another encoding, or no text.
    #[error("must be UTF-8, but its byte {0} is not")]
    Invalid(usize),
}

/// The text in these bytes. Skips a byte order mark (RFC 3629 section 6), which editors on Windows
/// put before the text.
pub fn from_bytes(bytes: &[u8]) -> Result<&str, NotUtf8> {
    if is_utf16(bytes) {
        return Err(NotUtf8::Utf16);
    }
    std::str::from_utf8(bytes)
        .map(without_mark)
        .map_err(|error| NotUtf8::Invalid(error.valid_up_to() + 1))
}

/// The text without a byte order mark before it.
pub fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Whether the bytes start like UTF-16: with its mark, or with ASCII characters in it.
fn is_utf16(bytes: &[u8]) -> bool {
    matches!(
        bytes,
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] | [0, 1..=0x7f, 0, ..] | [1..=0x7f, 0, 1..=0x7f, 0, ..]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r52_a_byte_order_mark_is_skipped_and_utf16_is_named() {
        assert_eq!(from_bytes("{}".as_bytes()), Ok("{}"));
        assert_eq!(from_bytes("\u{feff}{}".as_bytes()), Ok("{}"));
        assert_eq!(from_bytes("a\u{feff}".as_bytes()), Ok("a\u{feff}"));
        assert_eq!(from_bytes(b""), Ok(""));
        for marked in ["\u{feff}{\"a\":1}", "{\"a\":1}"] {
            let units: Vec<u16> = marked.encode_utf16().collect();
            let little: Vec<u8> = units.iter().copied().flat_map(u16::to_le_bytes).collect();
            let big: Vec<u8> = units.iter().copied().flat_map(u16::to_be_bytes).collect();
            assert_eq!(from_bytes(&little), Err(NotUtf8::Utf16));
            assert_eq!(from_bytes(&big), Err(NotUtf8::Utf16));
        }
        assert_eq!(from_bytes(b"ab\xe9"), Err(NotUtf8::Invalid(3)));
    }
}
