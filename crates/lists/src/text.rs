//! The bytes of a list as text.

use std::borrow::Cow;

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use crate::{ListFailure, MAX_BYTES};

/// How many bytes of an XML declaration are read for its encoding.
const DECLARATION: usize = 256;

/// How many bytes are searched for control characters, which no text has.
const SAMPLE: usize = 4096;

/// Returns the text of a list. A byte order mark decides; then the bytes themselves, if they are
/// UTF-16 or UTF-8; then the encoding that the server or the XML declaration states. Without any
/// of these, the text is taken for Latin-1, as spreadsheets export it.
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
    let text = match encoding {
        Some(encoding) => decode_as(encoding, bytes)?,
        None => match std::str::from_utf8(bytes) {
            Ok(text) => Cow::Borrowed(text),
            Err(_) => decode_as(stated(bytes, charset), bytes)?,
        },
    };
    if text.len() > MAX_BYTES {
        return Err(ListFailure::TooLarge);
    }
    match is_binary(&text) {
        true => Err(ListFailure::Encoding),
        false => Ok(text),
    }
}

fn decode_as<'a>(
    encoding: &'static Encoding,
    bytes: &'a [u8],
) -> Result<Cow<'a, str>, ListFailure> {
    let text = encoding.decode_without_bom_handling_and_without_replacement(bytes);
    text.ok_or(ListFailure::Encoding)
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

/// Returns whether a text has control characters other than white space at its beginning.
fn is_binary(text: &str) -> bool {
    let control = |b: u8| b < 0x20 && !matches!(b, b'\t' | b'\n' | b'\r' | 0x0c);
    text.bytes().take(SAMPLE).any(control)
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
    fn bytes_that_are_no_text_are_named() {
        let odd = [&b"\xff\xfe"[..], b"a\0b"].concat();
        for bytes in [
            &b"\x00\x01\x02\x03"[..],
            b"PK\x03\x04rest",
            b"\x89PNG\r\n\x1a\n",
            &odd,
        ] {
            assert_eq!(decode(bytes, None), Err(ListFailure::Encoding), "{bytes:?}");
        }
    }
}
