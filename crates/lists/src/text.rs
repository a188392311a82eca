//! The bytes of a list as text.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use crate::{ListFailure, MAX_BYTES};

/// How many bytes of an XML declaration are read for its encoding.
const DECLARATION: usize = 256;

/// How many characters are searched for those that no text has.
const SAMPLE: usize = 4096;

/// Of so many characters of a text, less than one is damaged or a control character.
const MOST_DAMAGE: usize = 16;

/// How files begin that are taken for lists by mistake.
const MAGIC: [&[u8]; 4] = [b"PK\x03\x04", b"\x89PNG", b"\x1f\x8b", b"%PDF-"];

/// Returns the text of a list. A byte order mark decides; then the bytes themselves, if they are
/// UTF-16 or mostly UTF-8; then the encoding that the server or the XML declaration states. Without
/// any of these, the text is taken for Latin-1, as spreadsheets export it.
///
/// Single damaged bytes cost no more than the characters they belong to: they are replaced, and
/// control characters are left out.
///
/// # Errors
/// [`ListFailure::Encoding`] if the bytes are no text, [`ListFailure::TooLarge`] if the text
/// exceeds [`MAX_BYTES`].
pub(crate) fn decode<'a>(
    bytes: &'a [u8],
    charset: Option<&str>,
) -> Result<Cow<'a, str>, ListFailure> {
    let (encoding, bytes) = match Encoding::for_bom(bytes) {
        Some((encoding, length)) => (Some(encoding), &bytes[length..]),
        None => (utf16_without_mark(bytes), bytes),
    };
    if MAGIC.iter().any(|magic| bytes.starts_with(magic)) {
        return Err(ListFailure::Encoding);
    }
    let text = match encoding {
        Some(encoding) if encoding != UTF_8 && bytes.len() % 2 != 0 => {
            return Err(ListFailure::Encoding);
        }
        Some(encoding) => encoding.decode_without_bom_handling(bytes).0,
        None if is_mostly_utf8(bytes) => String::from_utf8_lossy(bytes),
        None => stated(bytes, charset).decode_without_bom_handling(bytes).0,
    };
    if text.len() > MAX_BYTES {
        return Err(ListFailure::TooLarge);
    }
    match is_binary(&text) {
        true => Err(ListFailure::Encoding),
        false => Ok(without_controls(text)),
    }
}

/// Returns whether at least half of what is not ASCII is UTF-8. Text in another encoding is that
/// by chance only.
fn is_mostly_utf8(bytes: &[u8]) -> bool {
    let (mut valid, mut damaged) = (0, 0);
    for chunk in bytes.utf8_chunks() {
        valid += chunk.valid().chars().filter(|c| !c.is_ascii()).count();
        damaged += usize::from(!chunk.invalid().is_empty());
    }
    valid >= damaged
}

/// Returns the encoding that the server or the XML declaration states. UTF-8 is not believed: the
/// bytes are not UTF-8.
fn stated(bytes: &[u8], charset: Option<&str>) -> &'static Encoding {
    let head = &bytes[..bytes.len().min(DECLARATION)];
    let head = String::from_utf8_lossy(head);
    let of_xml = || {
        let declaration = head.trim_start().strip_prefix("<?xml")?;
        let declaration = declaration.split("?>").next()?;
        let value = declaration.split_once("encoding")?.1;
        let value = value.trim_start().strip_prefix('=')?.trim_start();
        let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        Some(value[1..].split(quote).next()?.to_owned())
    };
    let label = charset.map(str::to_owned).into_iter().chain(of_xml());
    let known = label.filter_map(|label| Encoding::for_label(label.trim().as_bytes()));
    known
        .into_iter()
        .find(|encoding| ![UTF_8, UTF_16LE, UTF_16BE].contains(encoding))
        .unwrap_or(WINDOWS_1252)
}

/// Recognises UTF-16 whose first two characters are ASCII, as those of every list are.
fn utf16_without_mark(bytes: &[u8]) -> Option<&'static Encoding> {
    match bytes {
        [a, 0, b, 0, ..] if *a != 0 && *b != 0 => Some(UTF_16LE),
        [0, a, 0, b, ..] if *a != 0 && *b != 0 => Some(UTF_16BE),
        _ => None,
    }
}

/// Returns whether the beginning of a text has a share of characters that no text has.
fn is_binary(text: &str) -> bool {
    let (mut all, mut damaged) = (0, 0);
    for c in text.chars().take(SAMPLE) {
        all += 1;
        damaged += usize::from(is_control(c) || c == char::REPLACEMENT_CHARACTER);
    }
    damaged * MOST_DAMAGE > all
}

fn without_controls(text: Cow<'_, str>) -> Cow<'_, str> {
    match text.contains(is_control) {
        true => text.replace(is_control, "").into(),
        false => text,
    }
}

/// Returns whether a character is a control character other than white space.
fn is_control(c: char) -> bool {
    c < ' ' && !matches!(c, '\t' | '\n' | '\r' | '\x0c')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, mark: bool, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        let mark = mark.then_some(0xfeff);
        mark.into_iter()
            .chain(text.encode_utf16())
            .flat_map(bytes)
            .collect()
    }

    #[test]
    fn encodings_are_recognised() {
        let text = "name;é\n";
        for mark in [true, false] {
            for order in [u16::to_le_bytes, u16::to_be_bytes] {
                assert_eq!(decode(&utf16(text, mark, order), None).unwrap(), text);
            }
        }
        let with_mark = [&b"\xef\xbb\xbf"[..], text.as_bytes()].concat();
        assert_eq!(decode(&with_mark, None).unwrap(), text);
        assert_eq!(decode(text.as_bytes(), Some("latin1")).unwrap(), text);
        assert_eq!(decode(b"name;\xe9\n", None).unwrap(), text);
        assert_eq!(decode(b"name;\xe9\n", Some("utf-8")).unwrap(), text);
        assert_eq!(decode(b"name;\xe9\n", Some("ISO-8859-1")).unwrap(), text);
        assert_eq!(decode(b"\xf0", Some("koi8-r")).unwrap(), "П");
        let xml = b"<?xml version=\"1.0\" encoding = 'koi8-r'?><r>\xf0</r>";
        assert!(decode(xml, None).unwrap().contains("<r>П</r>"));
    }

    #[test]
    fn a_damaged_byte_costs_one_character() {
        let hash = "0123456789abcdef0123456789abcdef01234567";
        let list = |middle: &[u8]| {
            let head = format!("{hash} Żółw\n{hash} a");
            [head.as_bytes(), middle, b"b\n"].concat()
        };
        let expected = |middle| format!("{hash} Żółw\n{hash} a{middle}b\n");
        let bom = |bytes: Vec<u8>| [&b"\xef\xbb\xbf"[..], &bytes].concat();
        for (middle, text) in [
            (&b"\xff"[..], "\u{fffd}"),
            (b"\xc3", "\u{fffd}"),
            (b"\x01", ""),
            (b"\0", ""),
            (b"\x1b", ""),
        ] {
            assert_eq!(decode(&list(middle), None).unwrap(), expected(text));
            assert_eq!(decode(&bom(list(middle)), None).unwrap(), expected(text));
        }
        let mut utf16 = utf16(&expected(""), true, u16::to_le_bytes);
        // Half of a pair.
        utf16.splice(90..92, [0x00, 0xd8]);
        assert!(decode(&utf16, None).unwrap().ends_with("ab\n"));
        // The beginning of the list is not the only place.
        let far = [hash.repeat(200).as_bytes(), b"\x02"].concat();
        assert_eq!(decode(&far, None).unwrap(), hash.repeat(200));
    }

    #[test]
    fn text_that_is_mostly_not_utf8_is_latin_1() {
        let text = decode(b"caf\xe9 ma\xf1ana na\xefve \xc3\xa9", None).unwrap();
        assert_eq!(text, "café mañana naïve Ã©");
    }

    #[test]
    fn bytes_that_are_no_text_are_named() {
        let odd = [&b"\xff\xfe"[..], b"a\0b"].concat();
        for bytes in [
            &b"\x00\x01\x02\x03"[..],
            b"PK\x03\x04rest",
            b"\x89PNG\r\n\x1a\n",
            b"ab\0\0c\x01\x02\x03 plain",
            &[&b"\xff\xfe"[..], &[0, 0xd8].repeat(40)].concat(),
            &odd,
        ] {
            assert_eq!(decode(bytes, None), Err(ListFailure::Encoding), "{bytes:?}");
        }
    }
}
