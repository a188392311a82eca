//! What a list contains: its entries, and how many of them cannot be used.

use std::collections::{HashMap, HashSet};
use std::num::NonZeroU64;
use std::sync::Arc;

use seedwatch_input::secret::Secret;
use seedwatch_torrent::{Hashes, InfoHash};

use crate::draft::Draft;
use crate::{ListFailure, MAX_ENTRIES};

/// URLs as the list has them, not yet parsed. They may contain passkeys.
pub type UrlTexts = Arc<[Secret<Arc<str>>]>;

/// One torrent of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The info-hashes.
    pub hashes: Hashes,
    /// The display name, made printable.
    pub name: Option<Box<str>>,
    /// The trackers. Shared by all entries with the same ones.
    pub trackers: UrlTexts,
    /// The web seeds of the magnet link (BEP 19).
    pub web_seeds: UrlTexts,
    /// The size of the files in bytes.
    pub size: Option<NonZeroU64>,
    /// Whether the list says that the torrent is private (BEP 27).
    pub is_private: bool,
}

/// Why an entry cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SkipReason {
    /// It names no info-hash. A URL of a `.torrent` file is none: files are not fetched.
    NoHash,
    /// Its info-hash is not valid.
    BadHash,
    /// It names two different torrents.
    Contradiction,
    /// The same torrent is in the list already.
    Duplicate,
    /// Its magnet link or line is too long.
    TooLong,
}

impl SkipReason {
    /// All reasons.
    pub const ALL: [Self; 5] = [
        Self::NoHash,
        Self::BadHash,
        Self::Contradiction,
        Self::Duplicate,
        Self::TooLong,
    ];

    /// Returns the reason as in log lines.
    pub const fn as_label(self) -> &'static str {
        match self {
            Self::NoHash => "no_hash",
            Self::BadHash => "bad_hash",
            Self::Contradiction => "contradiction",
            Self::Duplicate => "duplicate",
            Self::TooLong => "too_long",
        }
    }
}

/// How many entries cannot be used, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Skipped([u32; SkipReason::ALL.len()]);

impl Skipped {
    /// Counts one entry.
    pub(crate) fn count(&mut self, reason: SkipReason) {
        let count = &mut self.0[reason as usize];
        *count = count.saturating_add(1);
    }

    /// Returns how many entries cannot be used for this reason.
    pub fn of(&self, reason: SkipReason) -> u32 {
        self.0[reason as usize]
    }

    /// Returns how many entries cannot be used.
    pub fn total(&self) -> u64 {
        self.0.iter().copied().map(u64::from).sum()
    }

    /// Returns the reasons that occurred, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (SkipReason, u32)> {
        let all = SkipReason::ALL.map(|reason| (reason, self.of(reason)));
        all.into_iter().filter(|(_, count)| *count > 0)
    }
}

/// The content of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ParsedList {
    /// The torrents, in the order of the list. No two share an info-hash.
    pub entries: Vec<Entry>,
    /// The entries that cannot be used.
    pub skipped: Skipped,
}

/// Collects entries while a list is read.
#[derive(Debug, Default)]
pub(crate) struct Collector {
    list: ParsedList,
    /// The entry of every info-hash.
    seen: HashMap<InfoHash, usize>,
    texts: HashSet<Arc<str>>,
    lists: HashSet<UrlTexts>,
}

impl Collector {
    /// Adds an entry, or counts why it cannot be used.
    ///
    /// # Errors
    /// [`ListFailure::TooLarge`] if the list has too many entries.
    pub(crate) fn push(&mut self, draft: Draft<'_>) -> Result<(), ListFailure> {
        let total = self.list.entries.len() as u64 + self.list.skipped.total();
        if total >= MAX_ENTRIES as u64 {
            return Err(ListFailure::TooLarge);
        }
        match draft.finish() {
            Ok(torrent)
                if torrent
                    .hashes
                    .wire()
                    .any(|hash| self.seen.contains_key(&hash)) =>
            {
                self.list.skipped.count(SkipReason::Duplicate);
                if torrent.is_private {
                    self.mark_private(&torrent.hashes);
                }
            }
            Ok(torrent) => {
                let index = self.list.entries.len();
                let hashes = torrent.hashes.wire();
                self.seen.extend(hashes.map(|hash| (hash, index)));
                let trackers = self.intern(&torrent.trackers);
                let web_seeds = self.intern(&torrent.web_seeds);
                self.list.entries.push(Entry {
                    hashes: torrent.hashes,
                    name: torrent.name.map(Into::into),
                    trackers,
                    web_seeds,
                    size: torrent.size,
                    is_private: torrent.is_private,
                });
            }
            Err(reason) => self.list.skipped.count(reason),
        }
        Ok(())
    }

    /// Marks known torrents as private: one word for it counts, wherever it is in the list.
    fn mark_private(&mut self, hashes: &Hashes) {
        for hash in hashes.wire() {
            let index = self.seen.get(&hash);
            if let Some(entry) = index.and_then(|index| self.list.entries.get_mut(*index)) {
                entry.is_private = true;
            }
        }
    }

    /// Stores every distinct text and every distinct list once: the entries of one publisher mostly
    /// have the same trackers.
    fn intern(&mut self, urls: &[String]) -> UrlTexts {
        let mut list = Vec::with_capacity(urls.len());
        for text in urls {
            let text = match self.texts.get(text.as_str()) {
                Some(known) => Arc::clone(known),
                None => {
                    let text: Arc<str> = text.as_str().into();
                    self.texts.insert(Arc::clone(&text));
                    text
                }
            };
            list.push(Secret::new(text));
        }
        if let Some(known) = self.lists.get(list.as_slice()) {
            return Arc::clone(known);
        }
        let list: UrlTexts = list.into();
        self.lists.insert(Arc::clone(&list));
        list
    }

    /// Returns how many entries cannot be used because their hash is missing or invalid.
    pub(crate) fn unusable(&self) -> u64 {
        let skipped = &self.list.skipped;
        skipped.total() - u64::from(skipped.of(SkipReason::Duplicate))
    }

    /// Returns whether an entry can be used.
    pub(crate) fn has_entries(&self) -> bool {
        !self.list.entries.is_empty()
    }

    /// Returns the list.
    ///
    /// # Errors
    /// The list has no entry that can be used.
    pub(crate) fn finish(mut self) -> Result<ParsedList, ListFailure> {
        if self.list.entries.is_empty() {
            return Err(match self.list.skipped.total() {
                0 => ListFailure::Empty,
                _ => ListFailure::NoHashes,
            });
        }
        self.list.entries.shrink_to_fit();
        Ok(self.list)
    }
}

#[cfg(test)]
mod tests {
    use crate::{ListFormat, SkipReason, parse};

    #[test]
    fn any_entry_of_a_torrent_may_say_that_it_is_private() {
        let hash = "5e".repeat(20);
        for marks in [["true", "false"], ["false", "true"]] {
            let text = format!(
                "infohash,private\n{hash},{}\n{hash},{}\n",
                marks[0], marks[1]
            );
            let list = parse(text.as_bytes(), &ListFormat::default(), None).unwrap();
            assert!(list.entries[0].is_private, "{marks:?}");
            assert_eq!(list.skipped.of(SkipReason::Duplicate), 1);
        }
    }
}
