//! Detects whether a text contains a visible character.
//!
//! Most invisible characters are known by their Unicode properties. The few that have a width but an empty glyph are listed
//! here.

use icu_properties::props::{DefaultIgnorableCodePoint, GeneralCategory, PrependedConcatenationMark, WhiteSpace};
use icu_properties::{CodePointMapData, CodePointSetData};

/// Letters, marks and symbols with an empty glyph: the blank Braille pattern, the blank hieroglyphs, the Khitan filler and the
/// null notehead. The Hangul fillers are not listed: their Unicode property marks them as ignorable.
const EMPTY_GLYPHS: [char; 5] = ['\u{2800}', '\u{13441}', '\u{13442}', '\u{16fe4}', '\u{1d159}'];

/// Whether any character of `text` is visible.
pub(super) fn has_visible(text: &str) -> bool {
    text.chars().any(is_visible)
}

fn is_visible(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_graphic();
    }
    !CodePointSetData::new::<WhiteSpace>().contains(character)
        && !CodePointSetData::new::<DefaultIgnorableCodePoint>().contains(character)
        && !is_control(character)
        && !EMPTY_GLYPHS.contains(&character)
}

/// Whether a character only controls how others are displayed. Prepended concatenation marks have the same category but are
/// visible.
fn is_control(character: char) -> bool {
    match CodePointMapData::<GeneralCategory>::new().get(character) {
        GeneralCategory::Control | GeneralCategory::LineSeparator | GeneralCategory::ParagraphSeparator => true,
        GeneralCategory::Format => !CodePointSetData::new::<PrependedConcatenationMark>().contains(character),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// At least one character of every invisible kind.
    const INVISIBLE: &str = " \t\n\u{85}\u{a0}\u{1680}\u{2000}\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}\u{ad}\u{34f}\
        \u{61c}\u{115f}\u{1160}\u{17b4}\u{17b5}\u{180b}\u{180e}\u{200b}\u{200c}\u{200d}\u{200e}\u{200f}\
        \u{202a}\u{202e}\u{2060}\u{2064}\u{2066}\u{2069}\u{206f}\u{2800}\u{3164}\u{fe00}\u{fe0f}\
        \u{feff}\u{ffa0}\u{fff9}\u{13430}\u{13441}\u{16fe4}\u{1bca0}\u{1d159}\u{1d173}\u{1d17a}\
        \u{e0001}\u{e0020}\u{e007f}\u{e0100}\u{e01ef}";

    #[test]
    fn no_invisible_kind_counts_as_visible() {
        for character in INVISIBLE.chars() {
            assert!(!is_visible(character), "U+{:04X}", u32::from(character));
        }
        assert!(!has_visible(INVISIBLE) && !has_visible(""));
    }

    #[test]
    fn text_in_any_script_is_visible() {
        for character in "a0.~äßΩжאبहक한か漢𠮷🦀👍́\u{600}\u{6dd}\u{110bd}\u{e000}".chars() {
            assert!(is_visible(character), "U+{:04X}", u32::from(character));
        }
        for text in ["👨\u{200d}👩\u{200d}👧", "🏴\u{e0067}\u{e007f}", "\u{200f}شكرا", " \u{feff}x "] {
            assert!(has_visible(text), "{text}");
        }
    }
}
