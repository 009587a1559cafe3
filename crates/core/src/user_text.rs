//! Which characters the text of users may have: none that are invisible.
//!
//! Names of keys, passkeys and users stand on pages, in e-mails and in terminals, beside the facts
//! by which people decide. Invisible characters could reorder those facts or make two names look
//! alike.
//!
//! A character is refused if its general category in the Unicode Character Database is
//!
//! - Cc or Cf: a control or format character, such as U+202E or U+00AD,
//! - Zl or Zp: a line or paragraph separator,
//! - Co or Cn: for private use or unassigned, so no one knows what it looks like. RFC 8264 section
//!   9 refuses them in names as well.
//!
//! Two format characters are allowed between visible characters, because Persian, the languages of
//! India and emoji need them there: the zero width joiner and the zero width non-joiner.

use icu_properties::CodePointMapData;
use icu_properties::props::GeneralCategory;

const ZERO_WIDTH_NON_JOINER: char = '\u{200c}';
const ZERO_WIDTH_JOINER: char = '\u{200d}';

/// Whether every character of a text is allowed.
pub fn is_clean(text: &str) -> bool {
    judged(text).all(|(_, allowed)| allowed)
}

/// The text with `replacement` in place of each character that is not allowed.
pub fn clean(text: &str, replacement: &str) -> String {
    let mut cleaned = String::with_capacity(text.len());
    for (c, allowed) in judged(text) {
        if allowed {
            cleaned.push(c);
        } else {
            cleaned.push_str(replacement);
        }
    }
    cleaned
}

/// Each character of a text, and whether it is allowed there.
fn judged(text: &str) -> impl Iterator<Item = (char, bool)> {
    let mut before = None;
    let mut rest = text.chars().peekable();
    std::iter::from_fn(move || {
        let c = rest.next()?;
        let allowed = if is_joiner(c) {
            before.is_some_and(is_visible) && rest.peek().copied().is_some_and(is_visible)
        } else {
            !is_refused(c)
        };
        before = Some(c);
        Some((c, allowed))
    })
}

fn is_joiner(c: char) -> bool {
    matches!(c, ZERO_WIDTH_JOINER | ZERO_WIDTH_NON_JOINER)
}

/// Whether a joiner may stand beside this character.
fn is_visible(c: char) -> bool {
    !c.is_whitespace() && !is_refused(c)
}

/// Whether the general category refuses a character, a joiner as well.
fn is_refused(c: char) -> bool {
    matches!(
        CodePointMapData::<GeneralCategory>::new().get(c),
        GeneralCategory::Control
            | GeneralCategory::Format
            | GeneralCategory::LineSeparator
            | GeneralCategory::ParagraphSeparator
            | GeneralCategory::PrivateUse
            | GeneralCategory::Surrogate
            | GeneralCategory::Unassigned
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Within the general categories of the Unicode data, every character is judged alike.
    #[test]
    fn c08_every_character_of_the_refused_categories_is_refused() {
        let categories = CodePointMapData::<GeneralCategory>::new();
        let mut format_characters = 0;
        for c in '\0'..=char::MAX {
            let category = categories.get(c);
            let refused = [
                GeneralCategory::Control,
                GeneralCategory::Format,
                GeneralCategory::LineSeparator,
                GeneralCategory::ParagraphSeparator,
                GeneralCategory::PrivateUse,
                GeneralCategory::Unassigned,
            ]
            .contains(&category);
            format_characters += u32::from(category == GeneralCategory::Format);
            let inside = format!("a{c}b");
            assert_eq!(
                is_clean(&inside),
                !refused || is_joiner(c),
                "U+{:04X}",
                u32::from(c)
            );
            if refused {
                assert!(!is_clean(&c.to_string()), "U+{:04X}", u32::from(c));
            }
            if !is_clean(&inside) {
                assert_eq!(clean(&inside, ""), "ab", "U+{:04X}", u32::from(c));
            }
        }
        // Unicode 16 has 170, and no version removes one.
        assert!(format_characters >= 170, "{format_characters}");
    }

    #[test]
    fn c08_characters_that_hide_or_reorder_text_are_refused() {
        for c in [
            '\u{00ad}',
            '\u{061c}',
            '\u{180e}',
            '\u{200b}',
            '\u{200e}',
            '\u{200f}',
            '\u{2028}',
            '\u{2029}',
            '\u{202a}',
            '\u{202e}',
            '\u{2060}',
            '\u{2066}',
            '\u{2069}',
            '\u{feff}',
            '\u{fff9}',
            '\u{e0001}',
            '\u{e0041}',
            '\u{e000}',
            '\u{ffff}',
            '\0',
            '\n',
            '\u{1b}',
            '\u{85}',
        ] {
            assert!(!is_clean(&format!("a{c}b")), "{c:?}");
        }
    }

    #[test]
    fn c08_names_in_every_script_and_emoji_are_allowed() {
        for name in [
            "grid bot <b>1</b>",
            "Größe",
            "e\u{301}",
            "می\u{200c}خواهم",
            "क\u{94d}\u{200d}ष",
            "क\u{94d}\u{200c}ष",
            "ശ\u{d4d}\u{200d}ര",
            "👨\u{200d}👩\u{200d}👧\u{200d}👦",
            "❤\u{fe0f}\u{200d}🔥",
            "👩🏽\u{200d}💻 desk",
            "日本語",
            "עברית",
        ] {
            assert!(is_clean(name), "{name:?}");
            assert_eq!(clean(name, " "), name);
        }
    }

    #[test]
    fn c08_joiners_are_allowed_between_visible_characters_only() {
        for joiner in [ZERO_WIDTH_JOINER, ZERO_WIDTH_NON_JOINER] {
            assert!(is_clean(&format!("a{joiner}b")));
            for bad in [
                format!("{joiner}"),
                format!("{joiner}b"),
                format!("a{joiner}"),
                format!("a{joiner} b"),
                format!("a {joiner}b"),
                format!("a{joiner}{joiner}b"),
                "a\u{200c}\u{200d}b".to_owned(),
                format!("a{joiner}\u{ad}b"),
                format!("a\u{202e}{joiner}b"),
            ] {
                assert!(!is_clean(&bad), "{bad:?}");
                assert!(is_clean(&clean(&bad, "")), "{bad:?}");
                assert!(is_clean(&clean(&bad, " ")), "{bad:?}");
            }
        }
    }
}
