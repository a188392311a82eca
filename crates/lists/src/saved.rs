//! The last good copy of a list as bytes. It holds entries only: not the list as fetched, and not
//! its URL. Trackers and web seeds of entries are as in the list, with passkeys if it has any.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::sync::Arc;

use seedwatch_clock::Unix;
use seedwatch_input::secret::Secret;
use seedwatch_torrent::{Hashes, InfoHash, InfoHashV2, MAX_NAME};
use serde::{Deserialize, Serialize};

use crate::{Entry, MAX_ENTRIES, UrlTexts, Validators};

/// The version of the format.
const VERSION: u8 = 1;

/// Why bytes are no saved list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes are of another version.
    #[error("of another version")]
    Version,
    /// The bytes are damaged.
    #[error("damaged")]
    Damaged,
}

/// The last good copy of a list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SavedList {
    /// The entries. Shared with the lists in use.
    pub entries: Arc<[Entry]>,
    /// The validators of the answer.
    pub validators: Validators,
    /// When the list was last fetched or confirmed.
    pub confirmed: Unix,
}

#[derive(Serialize, Deserialize)]
struct Stored<'a> {
    confirmed: u64,
    etag: Option<&'a str>,
    last_modified: Option<&'a str>,
    #[serde(borrow)]
    texts: Vec<&'a str>,
    /// Lists of indices in `texts`.
    lists: Vec<Vec<u32>>,
    entries: Vec<StoredEntry<'a>>,
}

#[derive(Serialize, Deserialize)]
struct StoredEntry<'a> {
    v1: Option<[u8; 20]>,
    v2: Option<[u8; 32]>,
    name: Option<&'a str>,
    size: u64,
    is_private: bool,
    /// Index in `lists`.
    trackers: u32,
    /// Index in `lists`.
    web_seeds: u32,
}

impl SavedList {
    /// Returns the bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut texts = Texts::default();
        let mut entries = Vec::with_capacity(self.entries.len());
        for entry in &*self.entries {
            entries.push(StoredEntry {
                v1: entry.hashes.v1().map(|hash| hash.0),
                v2: entry.hashes.v2().map(|hash| hash.0),
                name: entry.name.as_deref(),
                size: entry.size.map_or(0, NonZeroU64::get),
                is_private: entry.is_private,
                trackers: texts.list(&entry.trackers),
                web_seeds: texts.list(&entry.web_seeds),
            });
        }
        let stored = Stored {
            confirmed: self.confirmed.0,
            etag: self.validators.etag.as_deref(),
            last_modified: self.validators.last_modified.as_deref(),
            texts: texts.texts,
            lists: texts.lists,
            entries,
        };
        // Writing to memory does not fail.
        postcard::to_extend(&stored, vec![VERSION]).unwrap_or_default()
    }

    /// Reads the bytes.
    ///
    /// # Errors
    /// The bytes are no saved list of this version.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (version, bytes) = bytes.split_first().ok_or(DecodeError::Damaged)?;
        if *version != VERSION {
            return Err(DecodeError::Version);
        }
        let stored: Stored<'_> = postcard::from_bytes(bytes).map_err(|_| DecodeError::Damaged)?;
        if stored.entries.len() > MAX_ENTRIES {
            return Err(DecodeError::Damaged);
        }
        let texts: Vec<Arc<str>> = stored.texts.iter().map(|text| (*text).into()).collect();
        let text = |n: &u32| texts.get(*n as usize).map(|text| Secret::new(text.clone()));
        let list = |list: &Vec<u32>| list.iter().map(text).collect::<Option<UrlTexts>>();
        let lists: Option<Vec<_>> = stored.lists.iter().map(list).collect();
        let lists = lists.ok_or(DecodeError::Damaged)?;
        let entries = stored.entries.iter().map(|entry| entry.read(&lists));
        let entries: Option<Arc<[Entry]>> = entries.collect();
        Ok(Self {
            entries: entries.ok_or(DecodeError::Damaged)?,
            validators: Validators::new(stored.etag, stored.last_modified),
            confirmed: Unix(stored.confirmed),
        })
    }
}

impl StoredEntry<'_> {
    fn read(&self, lists: &[UrlTexts]) -> Option<Entry> {
        let (v1, v2) = (self.v1.map(InfoHash), self.v2.map(InfoHashV2));
        if self.name.is_some_and(|name| name.len() > MAX_NAME) {
            return None;
        }
        Some(Entry {
            hashes: Hashes::of(v1, v2)?,
            name: self.name.map(Into::into),
            trackers: lists.get(self.trackers as usize)?.clone(),
            web_seeds: lists.get(self.web_seeds as usize)?.clone(),
            size: NonZeroU64::new(self.size),
            is_private: self.is_private,
        })
    }
}

/// Texts and lists of them, each stored once under a number.
#[derive(Default)]
struct Texts<'a> {
    texts: Vec<&'a str>,
    numbers: HashMap<&'a str, u32>,
    lists: Vec<Vec<u32>>,
    list_numbers: HashMap<&'a [Secret<Arc<str>>], u32>,
}

impl<'a> Texts<'a> {
    fn list(&mut self, list: &'a [Secret<Arc<str>>]) -> u32 {
        if let Some(known) = self.list_numbers.get(list) {
            return *known;
        }
        let texts = list.iter().map(|text| self.text(text.expose())).collect();
        self.lists.push(texts);
        let number = number(self.lists.len() - 1);
        self.list_numbers.insert(list, number);
        number
    }

    fn text(&mut self, text: &'a str) -> u32 {
        *self.numbers.entry(text).or_insert_with(|| {
            self.texts.push(text);
            number(self.texts.len() - 1)
        })
    }
}

fn number(index: usize) -> u32 {
    u32::try_from(index).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ListFormat, parse};

    fn saved() -> SavedList {
        let hash = |n: u8| InfoHash([n; 20]).to_string();
        let list = format!(
            "magnet:?xt=urn:btih:{}&dn=a&xl=5&tr=udp://a.example:1&tr=udp://b.example:2\n\
             magnet:?xt=urn:btih:{}&xt=urn:btmh:1220{}&tr=udp://a.example:1&tr=udp://b.example:2\n\
             {} c\n",
            hash(1),
            hash(2),
            InfoHashV2([3; 32]),
            hash(4),
        );
        let list = parse(list.as_bytes(), &ListFormat::default(), None).unwrap();
        SavedList {
            entries: list.entries.into(),
            validators: Validators::new(Some("\"x\""), None),
            confirmed: Unix(1_700_000_000),
        }
    }

    #[test]
    fn a_list_is_read_back_as_it_was() {
        let saved = saved();
        let read = SavedList::decode(&saved.encode()).unwrap();
        assert_eq!(read, saved);
        assert!(Arc::ptr_eq(
            &read.entries[0].trackers,
            &read.entries[1].trackers
        ));
        assert_eq!(
            SavedList::decode(&SavedList::default().encode()),
            Ok(SavedList::default())
        );
    }

    #[test]
    fn damaged_bytes_are_refused_without_a_panic() {
        let bytes = saved().encode();
        for length in 0..bytes.len() {
            assert!(SavedList::decode(&bytes[..length]).is_err(), "{length}");
        }
        for at in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0xff;
            let _ = SavedList::decode(&damaged);
        }
        assert_eq!(SavedList::decode(&[9]), Err(DecodeError::Version));
    }
}
