//! Texts and info-hashes that are searched for.

use std::fmt;

use crate::web::parameters::QueryError;
use seedwatch_torrent::{InfoHash, Torrent};

/// Most words of a search; the last one is all that is left. They bound the time that it takes.
const MAX_WORDS: usize = 8;

/// Longest text of a search, in characters.
const MAX_LENGTH: usize = 200;

/// Fewest hexadecimal digits that are taken for the beginning of an info-hash.
const MIN_DIGITS: usize = 6;

/// What is searched for: words that all stand in the name, or an info-hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// The text without white space around it.
    text: String,
    words: Vec<Word>,
    hash: Option<HashPrefix>,
}

impl Search {
    /// Reads a text; returns `None` if it is blank. A text of at least six hexadecimal digits is
    /// also taken for the beginning of an info-hash, and one of 32 base32 characters for a whole
    /// one.
    pub(in crate::web) fn parse(text: &str) -> Result<Option<Self>, QueryError> {
        let text = text.trim();
        if text.chars().count() > MAX_LENGTH {
            let expected = format!("at most {MAX_LENGTH} characters long");
            return Err(QueryError::invalid("q", expected));
        }
        if text.is_empty() {
            return Ok(None);
        }
        let words = text.splitn(MAX_WORDS, char::is_whitespace).map(str::trim);
        let words = words.filter(|word| !word.is_empty());
        Ok(Some(Self {
            text: text.to_owned(),
            words: words.map(Word::of).collect(),
            hash: HashPrefix::parse(text),
        }))
    }

    /// Returns whether a torrent has what is searched for. Allocates nothing.
    pub(in crate::web) fn finds(&self, torrent: &Torrent) -> bool {
        let is_in_name = self.words.iter().all(|word| word.is_in(&torrent.name));
        is_in_name || self.hash.as_ref().is_some_and(|hash| hash.begins(torrent))
    }
}

impl fmt::Display for Search {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str(&self.text)
    }
}

/// A word in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Word {
    /// Bytes can be compared, and case is one bit.
    Ascii(Box<[u8]>),
    /// Other scripts have case, too.
    Unicode(Box<[char]>),
}

impl Word {
    fn of(word: &str) -> Self {
        match word.is_ascii() {
            true => Self::Ascii(word.to_ascii_lowercase().into_bytes().into()),
            false => Self::Unicode(word.chars().flat_map(char::to_lowercase).collect()),
        }
    }

    /// Returns whether a name has the word, in either case.
    fn is_in(&self, name: &str) -> bool {
        match self {
            Self::Ascii(word) => contains_ascii(name.as_bytes(), word),
            Self::Unicode(word) => {
                let mut rest = name.chars();
                loop {
                    let mut folded = rest.clone().flat_map(char::to_lowercase);
                    if word.iter().all(|c| folded.next() == Some(*c)) {
                        return true;
                    }
                    if rest.next().is_none() {
                        return false;
                    }
                }
            }
        }
    }
}

/// Returns whether bytes have a word, which is in lower case, in either case.
fn contains_ascii(bytes: &[u8], word: &[u8]) -> bool {
    let Some((first, rest)) = word.split_first() else {
        return true;
    };
    let Some(last_start) = bytes.len().checked_sub(word.len()) else {
        return false;
    };
    let starts = bytes.iter().take(last_start + 1).enumerate();
    starts
        .filter(|(_, byte)| byte.to_ascii_lowercase() == *first)
        .any(|(at, _)| {
            let here = bytes.get(at + 1..at + word.len());
            here.is_some_and(|here| here.eq_ignore_ascii_case(rest))
        })
}

/// The beginning of an info-hash of version 1 or 2: whole bytes, then perhaps half of one.
#[derive(Debug, Clone, PartialEq, Eq)]
struct HashPrefix {
    bytes: Box<[u8]>,
    /// The upper half of the next byte.
    half: Option<u8>,
}

impl HashPrefix {
    fn parse(text: &str) -> Option<Self> {
        if (MIN_DIGITS..=64).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_hexdigit())
        {
            let digit = |c: &u8| char::from(*c).to_digit(16).map(|digit| digit as u8);
            let digits: Vec<u8> = text.as_bytes().iter().filter_map(digit).collect();
            let (pairs, half) = digits.as_chunks::<2>();
            return Some(Self {
                bytes: pairs.iter().map(|[high, low]| high << 4 | low).collect(),
                half: half.first().copied(),
            });
        }
        let whole = InfoHash::parse(text).ok()?;
        Some(Self {
            bytes: whole.0.into(),
            half: None,
        })
    }

    /// Returns whether a hash of the torrent begins with this.
    fn begins(&self, torrent: &Torrent) -> bool {
        let begins = |hash: &[u8]| {
            let next = hash.get(self.bytes.len()).map(|byte| byte >> 4);
            hash.starts_with(&self.bytes) && (self.half.is_none() || self.half == next)
        };
        let v1 = torrent.hashes.v1().is_some_and(|hash| begins(&hash.0));
        v1 || torrent.hashes.v2().is_some_and(|hash| begins(&hash.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seedwatch_torrent::{Hashes, InfoHashV2, Privacy, TrackerList};

    fn torrent(name: &str, hashes: Hashes) -> Torrent {
        Torrent {
            name: name.into(),
            hashes,
            trackers: TrackerList::default(),
            details: None,
            privacy: Privacy::Public,
            size: None,
        }
    }

    fn finds(text: &str, name: &str) -> bool {
        let torrent = torrent(name, Hashes::V1(InfoHash([0xab; 20])));
        Search::parse(text).unwrap().unwrap().finds(&torrent)
    }

    #[test]
    fn every_word_must_stand_in_the_name_in_either_case() {
        for (text, name, expected) in [
            ("debian", "Debian-12.5-amd64.iso", true),
            ("  AMD64 debian ", "Debian-12.5-amd64.iso", true),
            ("debian arm64", "Debian-12.5-amd64.iso", false),
            ("iso", "Debian-12.5-amd64.iso", true),
            ("isos", "Debian-12.5-amd64.iso", false),
            ("zürich", "ZÜRICH 1900", true),
            ("ÜR", "zürich", true),
            ("straße", "Hauptstraße", true),
            ("日本", "映画日本語", true),
            ("日本", "日", false),
            ("aab", "aaab", true),
            ("x", "", false),
            ("é", "", false),
        ] {
            assert_eq!(finds(text, name), expected, "{text} in {name}");
        }
    }

    #[test]
    fn info_hashes_are_found_by_their_beginning() {
        let v1 = InfoHash::parse("1bd088ee9166a062cf4af09cf99720fa6e1a3133").unwrap();
        let v2 = InfoHashV2([0xc4; 32]);
        let hybrid = torrent("name", Hashes::of(Some(v1), Some(v2)).unwrap());
        let finds = |text: &str| Search::parse(text).unwrap().unwrap().finds(&hybrid);
        for text in [
            "1bd088",
            "1BD088E",
            "1bd088ee9166a062cf4af09cf99720fa6e1a3133",
            "DPIIR3URM2QGFT2K6COPTFZA7JXBUMJT",
            "dpiir3urm2qgft2k6coptfza7jxbumjt",
            &"c4".repeat(3),
            &"c4".repeat(32),
            &"c4".repeat(32)[..63],
        ] {
            assert!(finds(text), "{text}");
        }
        for text in [
            "1bd08",
            "1bd089",
            "1bd088f",
            "bd088e",
            "c4c4c",
            "DPIIR3URM2QGFT2K6COPTFZA7JXBUMJ",
            "1bd088ee9166a062cf4af09cf99720fa6e1a31330",
            &"c4".repeat(33),
        ] {
            assert!(!finds(text), "{text}");
        }
    }

    #[test]
    fn blank_texts_search_for_nothing_and_long_ones_are_refused() {
        assert_eq!(Search::parse(" \u{a0} "), Ok(None));
        let long = "é".repeat(MAX_LENGTH + 1);
        let error = Search::parse(&long).unwrap_err();
        assert_eq!(error.to_string(), "q must be at most 200 characters long");
        assert!(Search::parse(&long[2..]).is_ok());
    }

    #[test]
    fn the_eighth_word_is_all_that_is_left() {
        assert!(finds("h g f e d c b a", "abcdefgh"));
        assert!(finds("h g f e d c b a  i", "abcdefgh a  i"));
        assert!(!finds("h g f e d c b a i", "abcdefgh a  i"));
    }
}
