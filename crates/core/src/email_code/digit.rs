//! Decimal digits of all scripts. Keyboards for Arabic, Persian, Hindi and Japanese type their own.

use icu_properties::CodePointMapData;
use icu_properties::props::GeneralCategory;

/// The ASCII digit of the same value; `None` if the character is not a decimal digit.
pub(super) fn ascii(c: char) -> Option<char> {
    if c.is_ascii() {
        return c.is_ascii_digit().then_some(c);
    }
    if !is_digit(c.into()) {
        return None;
    }
    // Unicode assigns the digits 0 to 9 of a script to ten consecutive code points, and promises to
    // keep that (section 4.6 of the standard). Several scripts can follow each other directly.
    let below = (0..u32::from(c)).rev().take_while(|code| is_digit(*code)).count();
    char::from_digit(u32::try_from(below % 10).ok()?, 10)
}

fn is_digit(code: u32) -> bool {
    CodePointMapData::<GeneralCategory>::new().get32(code) == GeneralCategory::DecimalNumber
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r50_the_digits_of_every_script_have_their_value() {
        let runs = CodePointMapData::<GeneralCategory>::new()
            .iter_ranges_for_value(GeneralCategory::DecimalNumber)
            .collect::<Vec<_>>();
        assert!(runs.len() > 50, "{}", runs.len());
        for run in runs {
            assert_eq!((run.end() - run.start() + 1) % 10, 0, "{run:?}");
            for (value, code) in (0..10).cycle().zip(run) {
                let digit = char::from_u32(code).unwrap();
                assert_eq!(ascii(digit), char::from_digit(value, 10), "U+{code:04X}");
            }
        }
        for other in [
            'a', '²', '½', '①', '五', 'Ⅷ', '\u{200b}', '\u{feff}', '-', '\'', ' ',
        ] {
            assert_eq!(ascii(other), None, "{other:?}");
        }
    }
}
