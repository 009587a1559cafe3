//! Isolates text of users within sentences, so that right-to-left text cannot reorder the text
//! around it.
//!
//! In plain text, the isolates of the Unicode Bidirectional Algorithm (UAX #9) enclose it; in HTML,
//! `<bdi>` does. Text of users has no isolates itself: [`isolated`] replaces them.

use tm_auth_core::user_text;

const FIRST_STRONG_ISOLATE: char = '\u{2068}';
const POP_DIRECTIONAL_ISOLATE: char = '\u{2069}';

/// The most characters of a user's text in an e-mail.
const MAX_CHARS: usize = 100;

/// Isolates a user's text: on one line, without invisible characters.
pub(super) fn isolated(text: &str) -> String {
    let text: String = text.chars().take(MAX_CHARS).collect();
    let text = user_text::clean(&text, " ");
    let text = text.trim();
    format!("{FIRST_STRONG_ISOLATE}{text}{POP_DIRECTIONAL_ISOLATE}")
}

/// Quotes a user's text within a sentence.
pub(super) fn quoted(text: &str) -> String {
    format!("\u{201c}{}\u{201d}", isolated(text))
}

/// A part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part<'a> {
    Plain(&'a str),
    /// Text of a user.
    Isolated(&'a str),
}

/// Splits a text at its isolates.
pub(crate) fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(FIRST_STRONG_ISOLATE) {
        let (inside, after) = after.split_once(POP_DIRECTIONAL_ISOLATE).unwrap_or((after, ""));
        parts.extend([Part::Plain(before), Part::Isolated(inside)]);
        rest = after;
    }
    parts.push(Part::Plain(rest));
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f20_quoted_text_is_isolated_on_one_line() {
        let quote = |text: &str| format!("\u{201c}\u{2068}{text}\u{2069}\u{201d}");
        assert_eq!(quoted("a\r\nBcc: v@y.com"), quote("a  Bcc: v@y.com"));
        assert_eq!(quoted("\u{202e}evil\u{ad}"), quote("evil"));
        assert_eq!(quoted("a\u{2069} revoked\u{2068}"), quote("a  revoked"));
        assert_eq!(quoted("می\u{200c}خواهم"), quote("می\u{200c}خواهم"));
        assert_eq!(quoted(&"x".repeat(500)), quote(&"x".repeat(100)));
    }

    #[test]
    fn f20_a_text_splits_into_plain_and_isolated_parts() {
        assert_eq!(parts("plain"), [Part::Plain("plain")]);
        let text = format!("The key {} and {}.", isolated("עברית"), isolated(""));
        let expected = [
            Part::Plain("The key "),
            Part::Isolated("עברית"),
            Part::Plain(" and "),
            Part::Isolated(""),
            Part::Plain("."),
        ];
        assert_eq!(parts(&text), expected);
    }
}
