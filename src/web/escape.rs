//! JSON and HTML without invisible characters.
//!
//! Invisible characters can make the name of one torrent look like another. JSON can escape them,
//! which changes nothing for programs. HTML shows their code points.

use std::{fmt, io};

use askama::filters::Escaper;
use serde::Serialize;
use serde_json::Serializer;
use serde_json::ser::{CompactFormatter, Formatter};

use seedwatch_input::text::{JsonEscape, is_invisible};

/// Writes a value as JSON with invisible characters escaped.
pub(super) fn write_json(to: impl io::Write, value: &impl Serialize) -> serde_json::Result<()> {
    value.serialize(&mut Serializer::with_formatter(to, Visible))
}

/// Returns a value as JSON with invisible characters escaped.
pub(super) fn json(value: &impl Serialize) -> serde_json::Result<String> {
    let mut bytes = Vec::new();
    write_json(&mut bytes, value)?;
    // The serializer writes UTF-8 only.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Compact JSON without invisible characters.
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
        while let Some((at, c)) = rest.char_indices().find(|(_, c)| is_invisible(*c)) {
            write!(to, "{}{}", &rest[..at], JsonEscape(c))?;
            rest = &rest[at + c.len_utf8()..];
        }
        to.write_all(rest.as_bytes())
    }
}

/// The escaper of every value in every template; `askama.toml` names it. Text is then safe between
/// tags and in quoted attributes, and invisible characters are shown as their code points.
#[derive(Debug, Clone, Copy)]
pub(super) struct HtmlEscaper;

impl Escaper for HtmlEscaper {
    fn write_escaped_str<W: fmt::Write>(&self, mut to: W, text: &str) -> fmt::Result {
        // Most values are plain, and bytes are searched faster than characters.
        let plain = |byte: u8| byte.is_ascii() && !is_markup(byte.into());
        if text.bytes().all(plain) {
            return to.write_str(text);
        }
        let special = |c| is_markup(c) || is_invisible(c);
        let mut rest = text;
        while let Some((at, found)) = rest.char_indices().find(|(_, c)| special(*c)) {
            to.write_str(&rest[..at])?;
            match found {
                '&' => to.write_str("&amp;")?,
                '<' => to.write_str("&lt;")?,
                '>' => to.write_str("&gt;")?,
                '"' => to.write_str("&quot;")?,
                '\'' => to.write_str("&#39;")?,
                invisible => write!(to, "[U+{:04X}]", u32::from(invisible))?,
            }
            rest = &rest[at + found.len_utf8()..];
        }
        to.write_str(rest)
    }
}

/// A text in an XML element or attribute. XML escapes what HTML escapes. A character that XML
/// cannot have (XML 1.0, section 2.2) becomes U+FFFD.
#[derive(Debug, Clone, Copy)]
pub(super) struct Xml<'a>(pub(super) &'a str);

impl fmt::Display for Xml<'_> {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, part) in self.0.split(is_not_xml).enumerate() {
            if position > 0 {
                to.write_str("\u{fffd}")?;
            }
            HtmlEscaper.write_escaped_str(&mut *to, part)?;
        }
        Ok(())
    }
}

fn is_not_xml(c: char) -> bool {
    matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

/// Returns whether a character has a meaning in HTML, between tags or in quoted attributes.
const fn is_markup(c: char) -> bool {
    matches!(c, '&' | '<' | '>' | '"' | '\'')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invisible_characters_are_escaped_and_read_back_as_they_were() {
        let name = "a\u{202e}txt.exe \u{200b}\u{feff}é\u{e0041}\u{2066}\n\"😀\u{200d}";
        let text = json(&[name]).unwrap();
        assert_eq!(
            text,
            "[\"a\\u202etxt.exe \\u200b\\ufeffé\\udb40\\udc41\\u2066\\n\\\"😀\\u200d\"]"
        );
        assert!(!text.chars().any(is_invisible));
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

    #[test]
    fn html_shows_markup_and_code_points() {
        let html = |text: &str| {
            let mut page = String::new();
            HtmlEscaper.write_escaped_str(&mut page, text).unwrap();
            page
        };
        assert_eq!(
            html("<a href=\"'&'\">"),
            "&lt;a href=&quot;&#39;&amp;&#39;&quot;&gt;"
        );
        assert_eq!(
            html("a\u{202e}b\u{200b}é\u{e0041}"),
            "a[U+202E]b[U+200B]é[U+E0041]"
        );
        for text in ["", "plain text; 1/2", "Zürich", "עברית", "日本語"] {
            assert_eq!(html(text), text);
        }
        // Askama passes single characters, too.
        let mut page = String::new();
        HtmlEscaper
            .write_escaped_char(&mut page, '\u{202e}')
            .unwrap();
        HtmlEscaper.write_escaped_char(&mut page, '<').unwrap();
        assert_eq!(page, "[U+202E]&lt;");
    }

    #[test]
    fn xml_has_no_character_that_it_cannot_have() {
        for (text, expected) in [
            (
                "a & b < c > 'd' \"e\"",
                "a &amp; b &lt; c &gt; &#39;d&#39; &quot;e&quot;",
            ),
            ("\0a\u{1f}\u{ffff}", "\u{fffd}a\u{fffd}\u{fffd}"),
            ("a\tb\nc", "a\tb\nc"),
            ("a\u{202e}b", "a[U+202E]b"),
            ("]]>", "]]&gt;"),
        ] {
            assert_eq!(Xml(text).to_string(), expected);
        }
    }
}
