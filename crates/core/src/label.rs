//! The names that owners give their keys.

use crate::Refusal;

/// Longest label, in characters.
pub const MAX_CHARS: usize = 64;

/// Checks a label and trims it. Control characters and the invisible ones that reorder text are refused:
/// a label stands in mails, pages and terminals beside the facts by which people decide.
pub fn parse(text: &str) -> Result<String, Refusal> {
    parse_field("label", text)
}

/// The same for other names that people give.
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

/// Line and paragraph separators, zero-width and bidirectional controls (Unicode categories Zl, Zp and Cf).
fn reorders(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{061c}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c08_labels_are_short_and_harmless() {
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
