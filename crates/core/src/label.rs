//! Names that users choose, for example for keys and passkeys.

use crate::Refusal;

/// Maximum length of a label, in characters.
pub const MAX_CHARS: usize = 64;

/// Trims and checks the label of an API key.
///
/// Refuses control characters and invisible characters that reorder text: emails, pages and
/// terminals show labels next to facts on which people base decisions.
pub fn parse(text: &str) -> Result<String, Refusal> {
    parse_field("label", text)
}

/// Trims and checks a label in the request's field `field`.
pub fn parse_field(field: &'static str, text: &str) -> Result<String, Refusal> {
    let label = text.trim();
    let problem = if label.is_empty() {
        "must not be empty"
    } else if label.chars().count() > MAX_CHARS {
        "must have at most 64 characters"
    } else if label.chars().any(|c| c.is_control() || reorders(c)) {
        "must not contain control or text-direction characters"
    } else {
        return Ok(label.to_owned());
    };
    Err(Refusal::InvalidField {
        field,
        problem: problem.to_owned(),
    })
}

/// Whether `c` is a line or paragraph separator, or one of the listed zero-width and bidirectional
/// format characters.
fn reorders(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{061c}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c08_long_empty_and_invisible_labels_are_refused() {
        assert_eq!(parse("  grid bot <b>1</b> ").unwrap(), "grid bot <b>1</b>");
        assert_eq!(parse(&"ü".repeat(64)).unwrap().chars().count(), 64);
        for bad in [
            "",
            "   ",
            "a\nb",
            "a\u{202e}b",
            "a\u{2028}b",
            "a\u{200b}b",
            "a\u{2066}b",
            "a\u{061c}b",
            "a\u{feff}b",
            "\u{1b}[31m",
            &"x".repeat(65),
            &"x".repeat(10 << 10),
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}
