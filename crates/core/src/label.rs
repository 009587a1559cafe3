//! Names that users choose, for example for keys and passkeys.

use crate::{Refusal, user_text};

/// Maximum length of a label, in characters.
pub const MAX_CHARS: usize = 64;

/// Trims and checks the label of an API key. Refuses the characters that [`user_text`] does not
/// allow.
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
    } else if !user_text::is_clean(label) {
        "must not contain control characters or invisible characters"
    } else {
        return Ok(label.to_owned());
    };
    Err(Refusal::InvalidField {
        field,
        problem: problem.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn c08_labels_are_short_and_have_no_invisible_characters() {
        assert_eq!(parse("  grid bot <b>1</b> ").unwrap(), "grid bot <b>1</b>");
        for name in ["می\u{200c}خواهم", "👨\u{200d}👩\u{200d}👧", "e\u{301}"] {
            assert_eq!(parse(name).unwrap(), name, "as typed");
        }
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
            "a\u{ad}b",
            "a\u{180e}b",
            "a\u{e0041}b",
            "a\u{200d}",
            "\u{200c}a",
            "a\u{200d}\u{200d}b",
            "\u{1b}[31m",
            &"x".repeat(65),
            &"x".repeat(10 << 10),
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}
