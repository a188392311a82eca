//! Characters that are not seen or that turn the direction of text around.
//!
//! A torrent may be named so that its name reads as another. JSON output escapes such characters,
//! which changes nothing for programs; the page shows their code points.

use std::io;

use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::{CompactFormatter, Formatter};

/// Whether a character changes the direction of text, or has no width or no shape.
pub(super) fn is_hidden(c: char) -> bool {
    matches!(c,
        // Soft hyphen, combining grapheme joiner, Arabic letter mark, Mongolian vowel separator.
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{180e}'
        // Fillers without a shape.
        | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{3164}' | '\u{ffa0}'
        // Zero-width spaces and joiners, direction marks; line and paragraph separators,
        // embeddings and overrides; word joiner, invisible operators, isolates.
        | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
        // Byte order mark, interlinear annotation, tags.
        | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// Writes a value as JSON with hidden characters escaped.
pub(super) fn write_json(to: impl io::Write, value: &impl Serialize) -> serde_json::Result<()> {
    value.serialize(&mut Serializer::with_formatter(to, Visible))
}

/// A value as JSON with hidden characters escaped.
pub(super) fn json(value: &impl Serialize) -> serde_json::Result<String> {
    let mut bytes = Vec::new();
    write_json(&mut bytes, value)?;
    // The serializer writes UTF-8 only.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Compact JSON without hidden characters.
struct Visible;

impl Formatter for Visible {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        to: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        if fragment.is_ascii() {
            return CompactFormatter.write_string_fragment(to, fragment);
        }
        let mut rest = fragment;
        while let Some((at, hidden)) = rest.char_indices().find(|(_, c)| is_hidden(*c)) {
            to.write_all(&rest.as_bytes()[..at])?;
            for unit in hidden.encode_utf16(&mut [0; 2]) {
                write!(to, "\\u{unit:04x}")?;
            }
            rest = &rest[at + hidden.len_utf8()..];
        }
        to.write_all(rest.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_are_escaped_and_read_back_as_they_were() {
        let name = "a\u{202e}txt.exe \u{200b}\u{feff}é\u{e0041}\u{2066}\n\"😀\u{200d}";
        let text = json(&[name]).unwrap();
        assert_eq!(
            text,
            "[\"a\\u202etxt.exe \\u200b\\ufeffé\\udb40\\udc41\\u2066\\n\\\"😀\\u200d\"]"
        );
        assert!(!text.chars().any(is_hidden));
        let [back]: [String; 1] = serde_json::from_str(&text).unwrap();
        assert_eq!(back, name);
    }

    #[test]
    fn letters_of_any_script_stay() {
        for text in ["Zürich", "עברית", "العربية", "日本語", "😀", "नमस्ते"]
        {
            assert_eq!(json(&text).unwrap(), format!("\"{text}\""));
        }
    }
}
