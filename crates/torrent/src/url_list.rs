//! Several URLs in one string.
//!
//! Publishers write lists where one URL belongs. If such a list were read as one URL, the path of
//! the second URL, often a passkey, would be sent to the first host.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::TrackerUrlError;
use seedwatch_input::text::is_invisible;

/// The schemes of announce URLs.
const SCHEMES: [&str; 5] = ["udp", "http", "https", "ws", "wss"];

/// How many times a text may have been percent-encoded.
const MAX_ENCODINGS: usize = 4;

/// Returns whether a character is white space, a control character or invisible.
pub(super) fn is_blank(c: char) -> bool {
    c.is_whitespace() || c.is_control() || is_invisible(c)
}

fn is_separator(c: char) -> bool {
    is_blank(c) || matches!(c, ',' | ';' | '|')
}

/// Splits a text into its URLs. A URL ends where a separator (white space, comma, semicolon, bar)
/// is followed by the scheme of another URL. Other separators may belong to the URL and are no
/// boundaries. Text before the first URL is returned as a part of its own.
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

/// Returns where the next URL begins, if a separator precedes it.
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

/// Checks the part of a URL after its scheme: no other URL begins in it, and it contains no white
/// space, however often it was percent-encoded. Only a plain space is allowed, as `%20`.
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

/// Returns whether a text contains a URL, or a known scheme with too few slashes or with
/// backslashes.
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

/// Returns whether a word ends in a known scheme, as `announcehttp` does.
fn is_scheme_end(word: &str) -> bool {
    SCHEMES.iter().any(|scheme| {
        let tail = word.len().checked_sub(scheme.len());
        tail.and_then(|at| word.get(at..))
            .is_some_and(|tail| tail.eq_ignore_ascii_case(scheme))
    })
}

#[cfg(test)]
mod tests;
