//! Magnet links (BEP 9), including version 2 and hybrid torrents (BEP 52).

use std::borrow::Cow;
use std::fmt;

use percent_encoding::percent_decode_str;

use super::size::{self, ClaimedSize, SizeError};
use super::url_list::is_blank;
use super::{HashError, Hashes, InfoHash, InfoHashV2, clean_name};
pub use link::MagnetLink;

mod link;

/// Parameters that are not read: other sources, topics and file selections.
const SKIPPED: [&str; 9] = ["as", "xs", "kt", "mt", "so", "fl", "pe", "mg", "cap"];

/// Longest parameter name that is shown in a message. A passkey has 32 characters or more.
const MAX_SHOWN: usize = 31;

/// Most parameter names kept for messages.
const MAX_UNKNOWN: usize = 8;

/// Why a magnet link is rejected. The text quotes nothing of the link, whose trackers may contain
/// passkeys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MagnetError {
    /// The text does not begin with `magnet:?`. Slashes before the `?` are tolerated.
    #[error("not a magnet link: it does not begin with magnet:?")]
    NotMagnet,
    /// The link exceeds [`Magnet::MAX_LENGTH`].
    #[error("the magnet link is longer than 65536 bytes")]
    TooLong,
    /// No `xt` names a torrent.
    #[error("the magnet link has no info-hash (xt=urn:btih:… or xt=urn:btmh:…)")]
    NoHash,
    /// An `xt` names a torrent by an invalid info-hash.
    #[error("{0}")]
    Hash(#[from] HashError),
    /// The link has two info-hashes of one version.
    #[error("the magnet link names two different torrents")]
    TwoTorrents,
}

/// The content of a magnet link.
///
/// `Debug` omits the trackers, which may contain passkeys.
#[derive(Clone, PartialEq, Eq)]
pub struct Magnet<'a> {
    /// The info-hashes.
    pub hashes: Hashes,
    /// `dn`, made printable.
    pub name: Option<String>,
    /// `tr`, percent-decoded, in order of appearance, not yet parsed as URLs.
    pub trackers: Vec<Cow<'a, str>>,
    /// `ws`, percent-decoded, in order of appearance, not yet parsed as URLs.
    pub web_seeds: Vec<Cow<'a, str>>,
    /// `xl`, or why it is not believed.
    pub size: ClaimedSize,
    /// Names of unknown parameters, for a warning; `?` for one that might be a secret.
    pub unread: Vec<Box<str>>,
}

impl fmt::Debug for Magnet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Magnet")
            .field("hashes", &self.hashes)
            .field("name", &self.name)
            .field("trackers", &self.trackers.len())
            .finish()
    }
}

impl<'a> Magnet<'a> {
    /// Longest link that is read, in bytes. It also bounds the number of trackers.
    pub const MAX_LENGTH: usize = 65_536;

    /// Returns whether a text has the scheme of a magnet link.
    pub fn is_magnet(text: &str) -> bool {
        strip_prefix_ignore_case(text.trim(), "magnet:").is_some()
    }

    /// Reads a link. Tolerates what web pages and folded lines add: slashes before `?`, HTML
    /// entities for `&`, white space around parameters. Skips parameters that name neither tracker
    /// nor web seed (`x.pe`, `so`, …) and `xt` of other networks. Other parameters are listed in
    /// [`Magnet::unread`].
    ///
    /// # Errors
    ///
    /// If the link does not identify exactly one torrent.
    pub fn parse(text: &'a str) -> Result<Self, MagnetError> {
        if text.len() > Self::MAX_LENGTH {
            return Err(MagnetError::TooLong);
        }
        let query = strip_prefix_ignore_case(text.trim_matches(is_blank), "magnet:")
            .and_then(|rest| rest.trim_start_matches('/').strip_prefix('?'))
            .ok_or(MagnetError::NotMagnet)?;
        let (mut v1, mut v2, mut name) = (None, None, None);
        let mut size = Ok(None);
        let (mut trackers, mut web_seeds, mut unread) = (Vec::new(), Vec::new(), Vec::new());
        for parameter in query.split('&') {
            let parameter = without_entity(parameter);
            let (key, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            let key = decode(key);
            let key = key.trim_matches(|c| c == '+' || is_blank(c));
            match Key::of(key) {
                Some(Key::Topic) => read_topic(&decode(value), &mut v1, &mut v2)?,
                Some(Key::Name) => name = name.or_else(|| decode_name(value)),
                Some(Key::Tracker) if !value.is_empty() => trackers.push(decode_url(value)),
                Some(Key::WebSeed) if !value.is_empty() => web_seeds.push(decode_url(value)),
                Some(Key::Size) if !value.is_empty() => size = unite(size, size::parse(value)),
                Some(Key::Tracker | Key::WebSeed | Key::Size | Key::Skipped) => {}
                None if key.is_empty() && value.is_empty() => {}
                None if unread.len() < MAX_UNKNOWN => unread.push(shown(key)),
                None => {}
            }
        }
        Ok(Self {
            hashes: Hashes::of(v1, v2).ok_or(MagnetError::NoHash)?,
            name,
            trackers,
            web_seeds,
            size,
            unread,
        })
    }
}

/// Removes what an HTML entity for `&` (`&amp;`, `&#38;`, `&#x26;`) leaves in front of a parameter,
/// however often it was escaped.
fn without_entity(parameter: &str) -> &str {
    let mut rest = parameter;
    while let Some((entity, after)) = rest.split_once(';') {
        let is_ampersand = match entity.strip_prefix('#') {
            None => entity.eq_ignore_ascii_case("amp"),
            Some(number) => match number.strip_prefix(['x', 'X']) {
                Some(hex) => hex.trim_start_matches('0') == "26",
                None => number.trim_start_matches('0') == "38",
            },
        };
        if !is_ampersand {
            break;
        }
        rest = after;
    }
    rest
}

/// Returns a parameter name for a message, or `?` if it might be a secret.
fn shown(key: &str) -> Box<str> {
    let is_word = !key.is_empty()
        && key.len() <= MAX_SHOWN
        && key
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-' | b'[' | b']'));
    if is_word { key } else { "?" }.into()
}

/// The meaning of a parameter.
#[derive(Clone, Copy)]
enum Key {
    Topic,
    Name,
    Tracker,
    WebSeed,
    Size,
    Skipped,
}

impl Key {
    /// Recognises `xt`, `dn`, `tr` and `ws` in any case, numbered (`tr.1`, `tr[1]`, `tr[]`) or not,
    /// and parameters to skip.
    fn of(key: &str) -> Option<Self> {
        if SKIPPED.iter().any(|name| key.eq_ignore_ascii_case(name))
            || strip_prefix_ignore_case(key, "x.").is_some()
        {
            return Some(Key::Skipped);
        }
        let (stem, number) = match key.split_once('.') {
            Some(numbered) => numbered,
            None => match key.strip_suffix(']') {
                Some(open) => open.split_once('[')?,
                None => (key, ""),
            },
        };
        if !number.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        [
            ("xt", Key::Topic),
            ("dn", Key::Name),
            ("tr", Key::Tracker),
            ("xl", Key::Size),
            ("ws", Key::WebSeed),
            ("xs", Key::Skipped),
            ("as", Key::Skipped),
        ]
        .into_iter()
        .find_map(|(name, key)| stem.eq_ignore_ascii_case(name).then_some(key))
    }
}

/// Returns the size that two claims agree on.
fn unite(a: ClaimedSize, b: ClaimedSize) -> ClaimedSize {
    match (a?, b?) {
        (Some(a), Some(b)) if a != b => Err(SizeError::Contradiction),
        (a, b) => Ok(a.or(b)),
    }
}

fn read_topic(
    urn: &str,
    v1: &mut Option<InfoHash>,
    v2: &mut Option<InfoHashV2>,
) -> Result<(), MagnetError> {
    if let Some(hash) = strip_prefix_ignore_case(urn, "urn:btih:") {
        keep(v1, InfoHash::parse(hash.trim())?)
    } else if let Some(hash) = strip_prefix_ignore_case(urn, "urn:btmh:") {
        keep(v2, InfoHashV2::parse_multihash(hash.trim())?)
    } else {
        Ok(())
    }
}

fn keep<T: PartialEq>(slot: &mut Option<T>, hash: T) -> Result<(), MagnetError> {
    match slot {
        Some(known) if *known != hash => Err(MagnetError::TwoTorrents),
        _ => {
            *slot = Some(hash);
            Ok(())
        }
    }
}

/// Percent-decodes a text; returns it unchanged if the result is not UTF-8.
fn decode(text: &str) -> Cow<'_, str> {
    percent_decode_str(text)
        .decode_utf8()
        .unwrap_or(Cow::Borrowed(text))
}

/// Percent-decodes a URL, twice if it has no `://` after the first time.
fn decode_url(text: &str) -> Cow<'_, str> {
    let url = decode(text);
    if url.contains("://") {
        url
    } else {
        Cow::Owned(decode(&url).into_owned())
    }
}

/// Decodes a name, in which `+` is a space as in form-encoded queries. In a URL it is a plus sign.
fn decode_name(text: &str) -> Option<String> {
    let spaced = text.replace('+', " ");
    let bytes: Cow<'_, [u8]> = percent_decode_str(&spaced).into();
    clean_name(&bytes)
}

fn strip_prefix_ignore_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

#[cfg(test)]
mod tests;
