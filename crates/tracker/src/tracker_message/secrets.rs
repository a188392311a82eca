//! Finds passkeys in messages of trackers, in any encoding.
//!
//! A tracker may repeat our URL or parts of it, in another letter case or encoding, in full-width
//! letters, and with markup between. Three searches find them:
//!
//! - the pieces of the URL, byte by byte, in any letter case;
//! - parts of a piece of [`MIN_SECRET`] letters and digits in a row;
//! - parts of [`WIDE`] letters and digits, or a shorter piece as a whole, with anything between
//!   that is neither, also in hexadecimal, Base32, Base64 and backwards.

use std::collections::HashSet;
use std::ops::{Range, RangeInclusive};

use data_encoding::{BASE32_NOPAD, BASE64_NOPAD, HEXLOWER};
use percent_encoding::percent_decode_str;

use seedwatch_input::text::is_invisible;
use seedwatch_torrent::TrackerUrl;

/// The shortest piece of path or query, and the shortest part of one, that is taken for a passkey.
const MIN_SECRET: usize = 6;
/// The shortest part that is recognised with other characters in between: `12:34:56` is a time.
const WIDE: usize = 12;
/// A shorter piece of letters only is a word (`torrents`), and no part of it is a secret.
const LONGEST_WORD: usize = 15;
/// The longest text kept after masking, in bytes.
pub(super) const MAX_TEXT: usize = 512;
/// The largest number of bytes of a text that are read.
const MAX_READ: usize = 16 << 10;
/// The full-width forms of the visible ASCII characters, in the order of ASCII.
const FULL_WIDTH: RangeInclusive<char> = '\u{ff01}'..='\u{ff5e}';
/// The longest tag between the parts of a secret.
const MAX_TAG: usize = 64;

/// The parts of our URL that may be a passkey.
pub(super) struct Secrets {
    /// As written, and as a tracker may decode it: without percent-encoding, and with `+` for a
    /// space. Longest first.
    whole: Vec<Vec<u8>>,
    /// Parts of [`MIN_SECRET`] letters and digits.
    close: HashSet<Vec<u8>>,
    /// Parts that may have other characters in between.
    wide: HashSet<Vec<u8>>,
    /// The lengths of these parts.
    widths: Vec<usize>,
}

impl Secrets {
    pub(super) fn of(url: &TrackerUrl) -> Self {
        let mut whole: Vec<Vec<u8>> = url
            .secret_path_and_query()
            .split(['/', '?', '&', '='])
            .flat_map(|piece| {
                let with_spaces = piece.replace('+', " ");
                [
                    piece.as_bytes().to_vec(),
                    percent_decode_str(piece).collect(),
                    percent_decode_str(&with_spaces).collect(),
                ]
            })
            .filter(|secret| {
                let is_word = |word: &[u8]| secret.eq_ignore_ascii_case(word);
                secret.len() >= MIN_SECRET && !is_word(b"announce") && !is_word(b"passkey")
            })
            .collect();
        whole.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        whole.dedup();
        let mut all = Self {
            close: HashSet::new(),
            wide: HashSet::new(),
            widths: Vec::new(),
            whole,
        };
        for secret in all.whole.clone() {
            let is_letters = secret.iter().all(u8::is_ascii_alphabetic);
            if secret.len() > LONGEST_WORD || !is_letters {
                all.add_parts(&secret);
            }
        }
        all.widths = all.wide.iter().map(Vec::len).collect();
        all.widths.sort_unstable();
        all.widths.dedup();
        all
    }

    fn add_parts(&mut self, secret: &[u8]) {
        let folded = |text: &[u8]| Folded::of(text, Tags::Read).letters;
        let letters = folded(secret);
        self.close
            .extend(letters.windows(MIN_SECRET).map(<[u8]>::to_vec));
        let backwards: Vec<u8> = letters.iter().rev().copied().collect();
        let mut forms = vec![letters, backwards];
        let lower = secret.to_ascii_lowercase();
        // A tracker may keep the bytes that a hexadecimal passkey stands for.
        let bytes = HEXLOWER.decode(&lower).unwrap_or_default();
        for text in [secret, &lower, &secret.to_ascii_uppercase(), &bytes] {
            forms.push(folded(HEXLOWER.encode(text).as_bytes()));
            forms.push(folded(BASE32_NOPAD.encode(text).as_bytes()));
            // Within a longer text it begins at any of three offsets in a group.
            for offset in 0..3 {
                let shifted = [&[0; 2][..offset], text].concat();
                let encoded = BASE64_NOPAD.encode(&shifted);
                let own = encoded.get([0, 2, 3][offset]..).unwrap_or_default();
                // The last character is shared with what follows, unless nothing does.
                let shared = usize::from(!shifted.len().is_multiple_of(3));
                forms.push(folded(own.as_bytes()));
                forms.push(folded(&own.as_bytes()[..own.len().saturating_sub(shared)]));
            }
        }
        for form in forms.iter().filter(|form| form.len() >= MIN_SECRET) {
            let parts = form.windows(WIDE.min(form.len()));
            self.wide.extend(parts.map(<[u8]>::to_vec));
        }
    }

    /// Masks the secrets in a text and returns its first [`MAX_TEXT`] bytes. It truncates last, so
    /// that no part of a secret remains.
    pub(super) fn blacked_out(&self, text: &[u8]) -> Vec<u8> {
        let text = &text[..text.len().min(MAX_READ)];
        let mut found = self.found(text);
        found.sort_unstable_by_key(|range| range.start);
        let mut shown = Vec::with_capacity(text.len().min(MAX_TEXT));
        let mut done = 0;
        for range in found {
            if range.start >= done {
                shown.extend_from_slice(&text[done..range.start]);
                if shown.len() >= MAX_TEXT {
                    break;
                }
                shown.extend_from_slice(b"<secret>");
            }
            done = done.max(range.end);
        }
        let room = MAX_TEXT.saturating_sub(shown.len());
        shown.extend(text[done..].iter().take(room));
        shown
    }

    /// Returns the ranges of secrets.
    fn found(&self, text: &[u8]) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        if self.whole.is_empty() {
            return found;
        }
        let mut at = 0;
        while at < text.len() {
            let here = self.whole.iter().find(|secret| {
                let start = text[at..].get(..secret.len());
                start.is_some_and(|start| start.eq_ignore_ascii_case(secret))
            });
            let length = here.map_or(0, Vec::len);
            if length > 0 {
                found.push(at..at + length);
            }
            at += length.max(1);
        }
        for tags in [Tags::Read, Tags::Skipped] {
            self.find_parts(&Folded::of(text, tags), &mut found);
        }
        found
    }

    fn find_parts(&self, text: &Folded, found: &mut Vec<Range<usize>>) {
        for (at, part) in text.letters.windows(MIN_SECRET).enumerate() {
            if self.close.contains(part) && text.is_in_a_row(at, MIN_SECRET) {
                found.push(text.range(at, MIN_SECRET));
            }
        }
        for width in &self.widths {
            for (at, part) in text.letters.windows(*width).enumerate() {
                if self.wide.contains(part) {
                    found.push(text.range(at, *width));
                }
            }
        }
    }
}

/// Returns whether the text between `<` and `>` is kept: it may be a tag between two parts of a
/// secret, or the secret itself.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Tags {
    Read,
    Skipped,
}

/// The decoded letters and digits of a text in lower case, with their positions.
#[derive(Default)]
struct Folded {
    letters: Vec<u8>,
    ranges: Vec<Range<usize>>,
}

impl Folded {
    fn of(text: &[u8], tags: Tags) -> Self {
        let mut folded = Self::default();
        let mut at = 0;
        while let Some(first) = text.get(at) {
            let rest = &text[at..];
            let (letter, length) = match first {
                b'<' if tags == Tags::Skipped => (None, tag(rest)),
                b'%' | b'&' | b'\\' => escape(rest),
                0x80.. => match character(rest) {
                    Some(c) if is_invisible(c) => (None, c.len_utf8()),
                    Some(c) if FULL_WIDTH.contains(&c) => (narrow(c), c.len_utf8()),
                    _ => (Some(*first), 1),
                },
                first => (Some(*first), 1),
            };
            let shows = |letter: &u8| letter.is_ascii_alphanumeric() || *letter >= 0x80;
            if let Some(letter) = letter.filter(shows) {
                folded.letters.push(letter.to_ascii_lowercase());
                folded.ranges.push(at..at + length);
            }
            at += length;
        }
        folded
    }

    fn is_in_a_row(&self, at: usize, length: usize) -> bool {
        let ranges = &self.ranges[at..at + length];
        ranges.windows(2).all(|two| two[0].end == two[1].start)
    }

    fn range(&self, at: usize, length: usize) -> Range<usize> {
        self.ranges[at].start..self.ranges[at + length - 1].end
    }
}

/// Returns the length of the tag at the beginning of a text, or 1.
fn tag(text: &[u8]) -> usize {
    let end = text.iter().take(MAX_TAG).position(|byte| *byte == b'>');
    end.map_or(1, |end| end + 1)
}

/// Decodes the byte at the beginning of a text, written as `%73`, `&#115;`, `&#x73;`, `\x73` or
/// `\u0073`. Returns it with the length of its notation.
fn escape(text: &[u8]) -> (Option<u8>, usize) {
    let number = |from: usize, to: usize, radix: u32| {
        let digits = std::str::from_utf8(text.get(from..to)?).ok()?;
        u8::from_str_radix(digits, radix).ok()
    };
    let end = || text.iter().take(8).position(|byte| *byte == b';');
    let (byte, length) = match text {
        [b'%', ..] => (number(1, 3, 16), 3),
        [b'\\', b'x', ..] => (number(2, 4, 16), 4),
        [b'\\', b'u', ..] => (number(2, 6, 16), 6),
        [b'&', b'#', b'x' | b'X', ..] => {
            let end = end().unwrap_or(0);
            (number(3, end, 16), end + 1)
        }
        [b'&', b'#', ..] => {
            let end = end().unwrap_or(0);
            (number(2, end, 10), end + 1)
        }
        _ => (None, 1),
    };
    match byte {
        Some(_) => (byte, length),
        None => (None, 1),
    }
}

/// Returns the ASCII character of a full-width form.
fn narrow(c: char) -> Option<u8> {
    let offset = u32::from(c).checked_sub(u32::from(*FULL_WIDTH.start()))?;
    u8::try_from(offset).ok()?.checked_add(b'!')
}

/// Returns the character at the beginning of a text.
fn character(text: &[u8]) -> Option<char> {
    let chunk = text[..text.len().min(4)].utf8_chunks().next()?;
    chunk.valid().chars().next()
}
