//! Characters that a reader does not see, or that change how text is displayed.
//!
//! Names of torrents and messages of trackers are untrusted. Log lines, JSON and pages escape such
//! characters.

use std::fmt::{self, Display, Formatter};

/// Returns whether a character is invisible or changes the direction of text: the default ignorable
/// characters of Unicode, line separators, and fillers.
pub const fn is_invisible(c: char) -> bool {
    matches!(c,
        // Soft hyphen, combining grapheme joiner, Arabic letter mark.
        '\u{ad}' | '\u{34f}' | '\u{61c}'
        // Fillers, inherent vowels, Mongolian selectors.
        | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{180b}'..='\u{180f}'
        // Zero-width spaces and joiners, direction marks; line and paragraph separators,
        // embeddings and overrides; word joiner, invisible operators, isolates.
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        // Hangul filler, variation selectors, byte order mark, annotations.
        | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
        // Format controls of shorthand and music, tags.
        | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
    )
}

/// A character as JSON escapes it (RFC 8259, section 7): `\u` and four hexadecimal digits, twice
/// for a character beyond U+FFFF.
#[derive(Debug, Clone, Copy)]
pub struct JsonEscape(pub char);

impl Display for JsonEscape {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        self.0
            .encode_utf16(&mut [0; 2])
            .iter()
            .try_for_each(|unit| write!(to, "\\u{unit:04x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_any_script_are_visible() {
        for text in ["Zürich", "עברית", "العربية", "日本語", "😀", "नमस्ते"]
        {
            assert!(!text.chars().any(is_invisible), "{text}");
        }
        for c in ['\u{202e}', '\u{200b}', '\u{2066}', '\u{feff}', '\u{e0041}'] {
            assert!(is_invisible(c), "{c:?}");
        }
    }

    #[test]
    fn an_escape_has_one_or_two_units() {
        assert_eq!(JsonEscape('\u{202e}').to_string(), "\\u202e");
        assert_eq!(JsonEscape('\u{e0041}').to_string(), "\\udb40\\udc41");
    }
}
