//! Writing of magnet links (BEP 9, BEP 52).

use std::num::NonZeroU64;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::Magnet;
use crate::Hashes;

/// All characters but the unreserved ones (RFC 3986, section 2.3).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A magnet link under construction.
///
/// ```
/// use seedwatch_torrent::{Hashes, Magnet, MagnetLink};
///
/// let hashes = Hashes::parse("1bd088ee9166a062cf4af09cf99720fa6e1a3133")?;
/// let mut link = MagnetLink::new(&hashes, "Census 1921", None);
/// assert!(link.add_tracker("udp://tracker.example:6969/announce"));
/// let link = link.finish();
/// assert!(link.ends_with("&dn=Census%201921&tr=udp%3A%2F%2Ftracker.example%3A6969%2Fannounce"));
/// assert_eq!(Magnet::parse(&link)?.trackers.len(), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct MagnetLink(String);

impl MagnetLink {
    /// Begins a link with all hashes of a torrent, its name unless that is empty, and its size.
    pub fn new(hashes: &Hashes, name: &str, size: Option<NonZeroU64>) -> Self {
        let v1 = hashes.v1().map(|hash| format!("urn:btih:{hash}"));
        // The multihash of SHA-256 begins with 0x12 and the length 0x20.
        let v2 = hashes.v2().map(|hash| format!("urn:btmh:1220{hash}"));
        let topics: Vec<_> = [v1, v2].into_iter().flatten().collect();
        let mut link = Self(format!("magnet:?xt={}", topics.join("&xt=")));
        if !name.is_empty() {
            link.add("dn", name);
        }
        if let Some(size) = size {
            link.add("xl", &size.to_string());
        }
        link
    }

    /// Adds the URL of a tracker. Returns whether there was room for it.
    pub fn add_tracker(&mut self, url: &str) -> bool {
        self.add("tr", url)
    }

    /// Adds the URL of a web seed (BEP 19). Returns whether there was room for it.
    pub fn add_web_seed(&mut self, url: &str) -> bool {
        self.add("ws", url)
    }

    /// Returns the link.
    pub fn finish(self) -> String {
        self.0
    }

    fn add(&mut self, key: &str, value: &str) -> bool {
        let before = self.0.len();
        self.0.extend(["&", key, "="]);
        self.0.extend(utf8_percent_encode(value, ESCAPED));
        let fits = self.0.len() <= Magnet::MAX_LENGTH;
        if !fits {
            self.0.truncate(before);
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{InfoHash, InfoHashV2};

    #[test]
    fn both_hashes_are_written() {
        let hashes = Hashes::Hybrid(InfoHash([0xab; 20]), Box::new(InfoHashV2([0xcd; 32])));
        let link = MagnetLink::new(&hashes, "", NonZeroU64::new(7)).finish();
        let (v1, v2) = ("ab".repeat(20), "cd".repeat(32));
        assert_eq!(
            link,
            format!("magnet:?xt=urn:btih:{v1}&xt=urn:btmh:1220{v2}&xl=7")
        );
    }

    #[test]
    fn a_link_never_exceeds_what_is_read() {
        let hashes = Hashes::V1(InfoHash([1; 20]));
        let mut link = MagnetLink::new(&hashes, "n", None);
        let url = format!("https://t.example/{}", "/".repeat(2000));
        let added = (0..64).filter(|_| link.add_tracker(&url)).count();
        assert!((1..64).contains(&added));
        let link = link.finish();
        assert_eq!(Magnet::parse(&link).unwrap().trackers.len(), added);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(name in "[^\\pC]{1,40}", path in "[ -~äß]{0,40}") {
            let hashes = Hashes::V1(InfoHash([1; 20]));
            let mut link = MagnetLink::new(&hashes, &name, NonZeroU64::new(99));
            let url = format!("udp://t.example:1/{path}");
            link.add_tracker(&url);
            let link = link.finish();
            prop_assert!(link.bytes().all(|b| b.is_ascii_graphic()));
            let read = Magnet::parse(&link).unwrap();
            prop_assert_eq!(read.hashes, hashes);
            prop_assert_eq!(read.size, Ok(NonZeroU64::new(99)));
            prop_assert_eq!(&read.trackers[0], &url);
        }
    }
}
