//! One entry while it is read: what its fields say, and which torrent that is.

use std::borrow::Cow;
use std::num::NonZeroU64;

use seedwatch_torrent::{
    HashError, Hashes, InfoHashV2, MAX_SIZE, Magnet, MagnetError, WebSeed, clean_name, split_urls,
};

use crate::entry::SkipReason;
use crate::fields::Role;

/// Most trackers kept per entry. A torrent of the configuration has as many at most.
const MAX_TRACKERS: usize = 64;

/// The rank of a value that was found in a link, after all fields that are meant for it.
const OF_LINK: u8 = u8::MAX;

/// A value and the rank of the field that it came from. The lowest rank is kept, of equal ones the
/// first.
type Ranked<T> = Option<(u8, T)>;

fn keep<T>(slot: &mut Ranked<T>, rank: u8, value: T) {
    if slot.as_ref().is_none_or(|(known, _)| rank < *known) {
        *slot = Some((rank, value));
    }
}

/// One entry while it is read.
#[derive(Debug, Default)]
pub(crate) struct Draft<'a> {
    magnet: Ranked<Cow<'a, str>>,
    hash: Ranked<Cow<'a, str>>,
    hash_v2: Ranked<Cow<'a, str>>,
    name: Ranked<Cow<'a, str>>,
    size: Ranked<NonZeroU64>,
    trackers: Vec<String>,
    is_private: bool,
    is_too_long: bool,
}

/// The torrent of an entry.
#[derive(Debug)]
pub(crate) struct DraftTorrent {
    pub(crate) hashes: Hashes,
    pub(crate) name: Option<String>,
    pub(crate) trackers: Vec<String>,
    pub(crate) web_seeds: Vec<String>,
    pub(crate) size: Option<NonZeroU64>,
    pub(crate) is_private: bool,
}

impl<'a> Draft<'a> {
    /// Takes the value of a field.
    pub(crate) fn offer(&mut self, role: Role, rank: u8, text: Cow<'a, str>) {
        let text = trimmed(text);
        if text.is_empty() {
            return;
        }
        if text.len() > Magnet::MAX_LENGTH {
            self.is_too_long = true;
            return;
        }
        match role {
            Role::Magnet | Role::InfoHash | Role::Link if Magnet::is_magnet(&text) => {
                keep(&mut self.magnet, rank, text);
            }
            Role::InfoHash | Role::Magnet => keep(&mut self.hash, rank, text),
            Role::InfoHashV2 => keep(&mut self.hash_v2, rank, text),
            // A page, a `.torrent` file, or an identifier that may be an info-hash.
            Role::Link if parse_hash(&text).is_ok() => keep(&mut self.hash, OF_LINK, text),
            Role::Link => {}
            Role::Name => keep(&mut self.name, rank, text),
            Role::Size => {
                if let Some(size) = parse_size(&text) {
                    keep(&mut self.size, rank, size);
                }
            }
            Role::Trackers => self.add_trackers(&text),
            Role::Private => self.is_private |= is_private(&text),
        }
    }

    /// Takes a line of a text: a magnet link, or an info-hash with an optional name.
    pub(crate) fn offer_line(&mut self, line: &'a str) {
        if Magnet::is_magnet(line) || line.len() > Magnet::MAX_LENGTH {
            return self.offer(Role::Magnet, 0, line.into());
        }
        let (hash, name) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
        if hash.contains("://") {
            return self.offer(Role::Link, 0, hash.into());
        }
        self.offer(Role::InfoHash, 0, hash.into());
        self.offer(Role::Name, 0, name.into());
    }

    fn add_trackers(&mut self, text: &str) {
        for url in split_urls(text) {
            if self.trackers.len() < MAX_TRACKERS && url.contains("://") {
                self.trackers.push(url.to_owned());
            }
        }
    }

    /// Returns the torrent that the fields name together.
    ///
    /// # Errors
    /// They name none, or more than one.
    pub(crate) fn finish(self) -> Result<DraftTorrent, SkipReason> {
        let text = |slot: &'_ Ranked<Cow<'a, str>>| slot.as_ref().map(|(_, text)| text.to_string());
        let magnet_text = text(&self.magnet);
        let magnet = magnet_text.as_deref().map(Magnet::parse);
        let hash = text(&self.hash).map(|text| parse_hash(&text));
        let hash_v2 = text(&self.hash_v2).map(|text| parse_hash(&text));
        let mut hashes = None;
        let mut failure = None;
        let of_magnet = magnet.as_ref().map(|magnet| match magnet {
            Ok(magnet) => Ok(magnet.hashes.clone()),
            Err(error) => Err(skip_reason(*error)),
        });
        let bad = |hash: Result<Hashes, HashError>| hash.map_err(|_| SkipReason::BadHash);
        for found in [of_magnet, hash.map(bad), hash_v2.map(bad)] {
            match found {
                None => {}
                // A field that nobody filled in.
                Some(Ok(found)) if found.wire().any(|hash| hash.0 == [0; 20]) => {
                    failure = failure.or(Some(SkipReason::BadHash));
                }
                Some(Ok(found)) => match hashes.take() {
                    None => hashes = Some(found),
                    Some(known) => {
                        hashes = Some(unite(&known, &found).ok_or(SkipReason::Contradiction)?);
                    }
                },
                Some(Err(reason)) => failure = failure.or(Some(reason)),
            }
        }
        let missing = match self.is_too_long {
            true => SkipReason::TooLong,
            false => SkipReason::NoHash,
        };
        let hashes = hashes.ok_or(failure.unwrap_or(missing))?;
        let magnet = magnet.and_then(Result::ok);
        let size_of_link = magnet
            .as_ref()
            .and_then(|magnet| magnet.size.ok().flatten());
        let (name_of_link, trackers_of_link, web_seeds) = match magnet {
            Some(magnet) => (magnet.name, magnet.trackers, magnet.web_seeds),
            None => (None, Vec::new(), Vec::new()),
        };
        let name = self.name.and_then(|(_, name)| clean_name(name.as_bytes()));
        let mut trackers = self.trackers;
        trackers.extend(trackers_of_link.into_iter().map(Cow::into_owned));
        trackers.truncate(MAX_TRACKERS);
        let web_seeds = web_seeds.into_iter().take(WebSeed::MAX);
        Ok(DraftTorrent {
            hashes,
            name: name.or(name_of_link),
            trackers,
            web_seeds: web_seeds.map(Cow::into_owned).collect(),
            size: self.size.map(|(_, size)| size).or(size_of_link),
            is_private: self.is_private,
        })
    }
}

fn trimmed(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim()),
        Cow::Owned(text) => match text.trim().len() == text.len() {
            true => Cow::Owned(text),
            false => Cow::Owned(text.trim().to_owned()),
        },
    }
}

/// Reads an info-hash: bare, as `urn:btih:`, or as a multihash of version 2 (BEP 52).
pub(crate) fn parse_hash(text: &str) -> Result<Hashes, HashError> {
    let strip = |text: &'_ str, prefix: &str| -> Option<usize> {
        let head = text.get(..prefix.len())?;
        head.eq_ignore_ascii_case(prefix).then_some(prefix.len())
    };
    let mut text = text.trim();
    for prefix in ["urn:", "btih:", "btmh:"] {
        if let Some(length) = strip(text, prefix) {
            text = &text[length..];
        }
    }
    match text.len() {
        68 => InfoHashV2::parse_multihash(text).map(|hash| Hashes::V2(Box::new(hash))),
        _ => Hashes::parse(text),
    }
}

/// Returns the hashes of both, or `None` if they name two torrents.
fn unite(a: &Hashes, b: &Hashes) -> Option<Hashes> {
    let v2 = agreed(a.v2(), b.v2())?;
    // A bare info-hash may be a truncated version 2 hash (BEP 52): they look the same.
    let real = |hashes: &Hashes| {
        let v1 = hashes.v1();
        v1.filter(|v1| v2.is_none_or(|v2| v2.truncated() != *v1))
    };
    Hashes::of(agreed(real(a), real(b))?, v2)
}

fn agreed<T: PartialEq>(a: Option<T>, b: Option<T>) -> Option<Option<T>> {
    match (a, b) {
        (Some(a), Some(b)) if a != b => None,
        (a, b) => Some(a.or(b)),
    }
}

fn skip_reason(error: MagnetError) -> SkipReason {
    match error {
        MagnetError::NotMagnet | MagnetError::NoHash => SkipReason::NoHash,
        MagnetError::TooLong => SkipReason::TooLong,
        MagnetError::Hash(_) => SkipReason::BadHash,
        MagnetError::TwoTorrents => SkipReason::Contradiction,
    }
}

/// Reads a number of bytes. A size with a unit is rounded, and so is taken for unknown.
fn parse_size(text: &str) -> Option<NonZeroU64> {
    let whole = text.strip_suffix(".0").unwrap_or(text);
    let size: u64 = whole.parse().ok().filter(|size| *size <= MAX_SIZE)?;
    NonZeroU64::new(size)
}

/// Returns whether a value says that a torrent is private. Torznab names the kind of the indexer;
/// the torrents of a semi-private one may be private too.
fn is_private(text: &str) -> bool {
    ["1", "true", "yes", "private", "semi-private"]
        .iter()
        .any(|word| text.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "1bd088ee9166a062cf4af09cf99720fa6e1a3133";
    const OTHER: &str = "2bd088ee9166a062cf4af09cf99720fa6e1a3133";

    fn torrent(fields: &[(Role, &str)]) -> Result<DraftTorrent, SkipReason> {
        let mut draft = Draft::default();
        for (role, text) in fields {
            draft.offer(*role, 0, Cow::Borrowed(text));
        }
        draft.finish()
    }

    #[test]
    fn any_field_may_hold_the_hash() {
        let magnet = format!("magnet:?xt=urn:btih:{HEX}&dn=Of+link&xl=7&tr=udp://t.example:1");
        let urn = format!("URN:BTIH:{}", HEX.to_uppercase());
        for fields in [
            &[(Role::InfoHash, HEX)][..],
            &[(Role::InfoHash, " DPIIR3URM2QGFT2K6COPTFZA7JXBUMJT\n")],
            &[(Role::Magnet, &*magnet)],
            &[(Role::Link, &*magnet)],
            &[(Role::Link, HEX)],
            &[(Role::Link, &*urn)],
            &[(Role::InfoHash, &*magnet)],
            &[
                (Role::Link, "https://site.example/1.torrent"),
                (Role::InfoHash, HEX),
            ],
            // One of two may be damaged.
            &[(Role::Magnet, "magnet:?dn=x"), (Role::InfoHash, HEX)],
            &[(Role::Magnet, &*magnet), (Role::InfoHash, "N/A")],
        ] {
            let torrent = torrent(fields).unwrap();
            assert_eq!(torrent.hashes.v1().unwrap().to_string(), HEX, "{fields:?}");
        }
        let torrent = torrent(&[(Role::Magnet, &magnet), (Role::Name, "x")]).unwrap();
        assert_eq!(torrent.name.as_deref(), Some("x"));
        assert_eq!(torrent.size.map(NonZeroU64::get), Some(7));
        assert_eq!(torrent.trackers, ["udp://t.example:1"]);
    }

    #[test]
    fn a_hybrid_is_one_torrent_and_two_hashes_are_none() {
        let v2 = "5e".repeat(32);
        let multihash = format!("1220{v2}");
        let hybrid = torrent(&[(Role::InfoHash, HEX), (Role::InfoHashV2, &v2)]).unwrap();
        assert_eq!(hybrid.hashes.wire().count(), 2);
        let only_v2 = torrent(&[(Role::InfoHash, &v2[..40]), (Role::InfoHashV2, &multihash)]);
        assert_eq!(only_v2.unwrap().hashes.wire().count(), 1);
        let magnet = format!("magnet:?xt=urn:btih:{HEX}");
        let reason = |fields: &[(Role, &str)]| torrent(fields).unwrap_err();
        let both = [(Role::Magnet, &*magnet), (Role::InfoHash, OTHER)];
        assert_eq!(reason(&both), SkipReason::Contradiction);
        assert_eq!(reason(&[(Role::InfoHash, "abc")]), SkipReason::BadHash);
        assert_eq!(reason(&[(Role::Name, "abc")]), SkipReason::NoHash);
        let long = format!("{magnet}&dn={}", "x".repeat(Magnet::MAX_LENGTH));
        assert_eq!(reason(&[(Role::Magnet, &long)]), SkipReason::TooLong);
    }

    #[test]
    fn zeros_are_no_info_hash() {
        let zeros = "0".repeat(40);
        let link = format!("magnet:?xt=urn:btih:{zeros}");
        let long = "0".repeat(64);
        for field in [
            (Role::InfoHash, &*zeros),
            (Role::Magnet, &*link),
            (Role::InfoHashV2, &*long),
        ] {
            assert_eq!(torrent(&[field]).unwrap_err(), SkipReason::BadHash);
        }
        let magnet = format!("magnet:?xt=urn:btih:{HEX}");
        let found = torrent(&[(Role::InfoHash, &zeros), (Role::Magnet, &magnet)]);
        assert_eq!(found.unwrap().hashes.v1().unwrap().to_string(), HEX);
    }

    #[test]
    fn sizes_are_whole_bytes() {
        for (text, size) in [
            ("1234", Some(1234)),
            ("1234.0", Some(1234)),
            ("0", None),
            ("-1", None),
            ("1.5 GiB", None),
            ("9007199254740993", None),
        ] {
            assert_eq!(parse_size(text).map(NonZeroU64::get), size, "{text}");
        }
    }

    #[test]
    fn several_trackers_in_one_field_are_split() {
        let texts = "udp://a.example:1/announce\nhttps://b.example/announce, udp://c.example:2";
        let torrent = torrent(&[(Role::InfoHash, HEX), (Role::Trackers, texts)]).unwrap();
        assert_eq!(torrent.trackers.len(), 3);
    }
}
