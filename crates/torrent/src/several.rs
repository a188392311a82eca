//! Several URLs in one string: where one ends and the next begins.
//!
//! Publishers write lists where one URL belongs. Read as one URL, the path of the second, often a
//! passkey, would be sent to the first host.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::TrackerUrlError;
use seedwatch_input::text::is_invisible;

/// How announce URLs begin.
const SCHEMES: [&str; 5] = ["udp", "http", "https", "ws", "wss"];

/// Times that a text may have been percent-encoded.
const MAX_ENCODINGS: usize = 4;

/// Returns whether a character is white space, a control character or invisible.
pub(super) fn is_blank(c: char) -> bool {
    c.is_whitespace() || c.is_control() || is_invisible(c)
}

fn is_separator(c: char) -> bool {
    is_blank(c) || matches!(c, ',' | ';' | '|')
}

/// Splits a text into the URLs in it. A URL ends where a separator (white space, comma, semicolon,
/// bar) is followed by the scheme of another one; separators that nothing follows, which may belong
/// to a URL, are not boundaries. What stands before the first URL is a part of its own.
pub fn split_urls(text: &str) -> impl Iterator<Item = &str> {
    let (mut rest, mut is_only) = (Some(text), true);
    let parts = std::iter::from_fn(move || {
        let text = rest.take()?;
        let Some(at) = next_start(text) else {
            return Some(match is_only {
                true => text.trim_matches(is_blank),
                false => text.trim_matches(is_separator),
            });
        };
        (rest, is_only) = (Some(&text[at..]), false);
        Some(text[..at].trim_matches(is_separator))
    });
    parts.filter(|part| !part.is_empty())
}

/// Where the next URL begins, if a separator stands in front of it.
fn next_start(text: &str) -> Option<usize> {
    let separators = text.char_indices().filter(|(_, c)| is_separator(*c));
    separators
        .map(|(at, c)| at + c.len_utf8())
        .find(|&at| begins_with_scheme(&text[at..], "://"))
}

fn begins_with_scheme(text: &str, after: &str) -> bool {
    SCHEMES.iter().any(|scheme| {
        let head = text.get(..scheme.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(scheme))
            && text[scheme.len()..].starts_with(after)
    })
}

/// Checks what follows the scheme of a URL: no other URL begins in it, and it hides no white space,
/// however often it was percent-encoded. A plain space may stand in a path as `%20`.
pub(super) fn check_rest(rest: &str) -> Result<(), TrackerUrlError> {
    let mut text = Cow::Borrowed(rest);
    for _ in 0..=MAX_ENCODINGS {
        if names_url(&text) {
            return Err(TrackerUrlError::SecondUrl);
        }
        if text.contains(|c| c != ' ' && is_blank(c)) {
            return Err(TrackerUrlError::Space);
        }
        if !text.contains('%') {
            break;
        }
        let decoded = percent_decode_str(&text).decode_utf8_lossy().into_owned();
        if decoded == text {
            break;
        }
        text = Cow::Owned(decoded);
    }
    Ok(())
}

/// Whether any URL, or a known scheme with too few slashes or with backslashes, stands in a text.
fn names_url(text: &str) -> bool {
    let colons = text.match_indices(':').map(|(at, _)| at);
    colons.into_iter().any(|at| {
        let after = &text[at + 1..];
        let before = text[..at]
            .trim_end_matches(|c: char| c.is_ascii_alphanumeric())
            .len();
        after.starts_with("//")
            || (after.starts_with(['/', '\\']) && is_scheme_end(&text[before..at]))
    })
}

/// Whether a word ends in a known scheme: `announcehttp` does.
fn is_scheme_end(word: &str) -> bool {
    SCHEMES.iter().any(|scheme| {
        let tail = word.len().checked_sub(scheme.len());
        tail.and_then(|at| word.get(at..))
            .is_some_and(|tail| tail.eq_ignore_ascii_case(scheme))
    })
}

#[cfg(test)]
mod tests;
