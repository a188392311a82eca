//! The file of events. It grows by records, so that a kill loses none of them.
//!
//! ```text
//! magic 16 | version 2 | until the end: event 27 | checksum 4
//! ```
//!
//! The checksum is the first bytes of SHA-256 of the event. An append that was cut leaves a part of
//! a record at the end; what is before it stays good.

use std::io::Write;

use sha2::{Digest, Sha256};

use super::file::FileError;
use super::guard::append_to;
use super::{Store, StoreError};
use seedwatch_core::events::{MAX_EVENTS, StateEvent};

/// The name of the file without its extension.
const SECTION: &str = "events";

const MAGIC: &[u8; 16] = b"seedwatch events";
const VERSION: u16 = 1;
const HEAD: usize = MAGIC.len() + 2;
const CHECKSUM: usize = 4;
const RECORD: usize = StateEvent::LENGTH + CHECKSUM;

/// Longest file that is read, in bytes: the kept events, as many that expired, and two appends.
const MAX_FILE: usize = HEAD + 4 * MAX_EVENTS * RECORD;

/// The content of a file of events.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct EventFile {
    /// The events that can be read, in order.
    pub events: Vec<StateEvent>,
    /// Records that cannot be read.
    pub damaged: usize,
}

impl EventFile {
    /// Returns the length of a file with so many events.
    pub const fn length(events: usize) -> u64 {
        (HEAD + events * RECORD) as u64
    }

    /// Encodes a file.
    pub fn encode<'a>(events: impl Iterator<Item = &'a StateEvent>) -> Vec<u8> {
        let mut file = MAGIC.to_vec();
        file.extend_from_slice(&VERSION.to_be_bytes());
        Self::append(events, &mut file);
        file
    }

    fn append<'a>(events: impl Iterator<Item = &'a StateEvent>, to: &mut Vec<u8>) {
        for event in events {
            let event = event.encode();
            to.extend_from_slice(&event);
            to.extend_from_slice(&checksum(&event));
        }
    }

    /// Reads a file. Damaged records are left out.
    ///
    /// # Errors
    /// If the file was not written by seedwatch, by a later version, or has no complete head.
    pub fn decode(file: &[u8]) -> Result<Self, FileError> {
        let magic = &file[..file.len().min(MAGIC.len())];
        if magic != &MAGIC[..magic.len()] {
            return Err(FileError::Foreign);
        }
        let (head, records) = file.split_first_chunk::<HEAD>().ok_or(FileError::Damaged)?;
        let &[.., high, low] = head;
        let found = u16::from_be_bytes([high, low]);
        if found > VERSION {
            let known = VERSION;
            return Err(FileError::Newer { found, known });
        }
        let (records, rest) = records.as_chunks::<RECORD>();
        let events: Vec<_> = records.iter().filter_map(decode_record).collect();
        let damaged = records.len() - events.len() + usize::from(!rest.is_empty());
        Ok(Self { events, damaged })
    }
}

fn decode_record(record: &[u8; RECORD]) -> Option<StateEvent> {
    let (event, sum) = record.split_first_chunk()?;
    (checksum(event) == sum).then(|| StateEvent::decode(event))?
}

fn checksum(event: &[u8; StateEvent::LENGTH]) -> [u8; CHECKSUM] {
    let sum: [u8; 32] = Sha256::digest(event).into();
    let [a, b, c, d, ..] = sum;
    [a, b, c, d]
}

/// The events that an earlier process saved.
#[derive(Debug, Default)]
pub struct LoadedEvents {
    /// Those that can be read.
    pub events: Vec<StateEvent>,
    /// The length of the file that further events can be appended to; `None` if it must be written
    /// again.
    pub length: Option<u64>,
    /// Why the file, or a part of it, cannot be used. The file has been quarantined.
    pub error: Option<StoreError>,
}

impl Store {
    /// Loads the events. A file with damaged records is quarantined; its other records count.
    pub fn load_events(&self) -> LoadedEvents {
        let read = self.read(&self.path(SECTION), MAX_FILE);
        let file = match read.map(|file| file.map(|file| (EventFile::decode(&file), file.len()))) {
            Ok(None) => return LoadedEvents::default(),
            Ok(Some((Ok(decoded), length))) => Ok((decoded, length as u64)),
            Ok(Some((Err(why), _))) | Err(why) => Err(why),
        };
        match file {
            Ok((EventFile { events, damaged: 0 }, length)) => LoadedEvents {
                events,
                length: Some(length),
                error: None,
            },
            Ok((EventFile { events, .. }, _)) => LoadedEvents {
                events,
                length: None,
                error: Some(self.reject(SECTION, FileError::Damaged)),
            },
            Err(why) => LoadedEvents {
                error: Some(self.reject(SECTION, why)),
                ..LoadedEvents::default()
            },
        }
    }

    /// Writes all events and returns the length of the file.
    ///
    /// # Errors
    /// [`StoreError::Save`]. An earlier file is unchanged.
    pub fn save_events(&self, events: &[StateEvent]) -> Result<u64, StoreError> {
        let _saving = self.lock_saving();
        let (path, file) = (self.path(SECTION), EventFile::encode(events.iter()));
        let saved = self.replace(&path, &file);
        saved.map_err(|source| StoreError::Save { path, source })?;
        Ok(file.len() as u64)
    }

    /// Appends events to the file, which has this length, and returns its new length.
    ///
    /// # Errors
    /// [`StoreError::Save`]. The file must then be written again.
    pub fn append_events(&self, events: &[StateEvent], length: u64) -> Result<u64, StoreError> {
        let _saving = self.lock_saving();
        let (path, mut records) = (self.path(SECTION), Vec::new());
        EventFile::append(events.iter(), &mut records);
        let appended = append_to(&path, length)
            .and_then(|mut file| file.write_all(&records).and_then(|()| file.sync_data()));
        appended.map_err(|source| StoreError::Save { path, source })?;
        Ok(length + records.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use proptest::prelude::*;
    use seedwatch_clock::Unix;
    use seedwatch_core::verdict::{Reason, State};
    use seedwatch_torrent::InfoHash;

    fn events(count: u32) -> Vec<StateEvent> {
        let event = |n: u32| {
            let mut torrent = [0; 20];
            torrent[16..].copy_from_slice(&n.to_be_bytes());
            StateEvent {
                torrent: InfoHash(torrent),
                from: State::Alive,
                to: State::Dead,
                reason: Reason::Empty,
                at: Unix(1_790_000_000 + u64::from(n)).into(),
            }
        };
        (0..count).map(event).collect()
    }

    #[test]
    fn decoding_reverses_encoding_and_keeps_what_is_before_a_cut() {
        let all = events(3);
        let file = EventFile::encode(all.iter());
        assert_eq!(EventFile::length(3), file.len() as u64);
        for end in 0..=file.len() {
            match EventFile::decode(&file[..end]) {
                Err(why) => assert!(end < HEAD && matches!(why, FileError::Damaged), "{end}"),
                Ok(decoded) => {
                    let whole = (end - HEAD) / RECORD;
                    let cut = usize::from(!(end - HEAD).is_multiple_of(RECORD));
                    assert_eq!(decoded.events, all[..whole]);
                    assert_eq!(decoded.damaged, cut);
                }
            }
        }
    }

    #[test]
    fn every_flipped_bit_costs_one_event_at_most() {
        let all = events(3);
        let file = EventFile::encode(all.iter());
        for bit in 8 * HEAD..8 * file.len() {
            let mut flipped = file.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let decoded = EventFile::decode(&flipped).unwrap();
            assert_eq!((decoded.events.len(), decoded.damaged), (2, 1), "{bit}");
        }
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_yield_no_event(bytes: Vec<u8>) {
            let file = [&EventFile::encode([].iter())[..], &bytes].concat();
            let decoded = EventFile::decode(&file).unwrap();
            prop_assert!(decoded.events.is_empty());
            prop_assert_eq!(decoded.damaged, bytes.len().div_ceil(RECORD));
        }
    }

    #[test]
    fn events_are_appended_and_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let (store, all) = (Store::at(folder.path()), events(5));
        store.prepare().unwrap();
        assert!(store.load_events().events.is_empty());
        let length = store.save_events(&all[..2]).unwrap();
        let length = store.append_events(&all[2..], length).unwrap();
        let loaded = store.load_events();
        assert_eq!((loaded.events, loaded.length), (all.clone(), Some(length)));
        assert!(loaded.error.is_none());
        assert_eq!(length, EventFile::length(5));
        // A file of another length was not written by us.
        assert!(store.append_events(&all, length - 1).is_err());
        fs::remove_file(store.path(SECTION)).unwrap();
        assert!(store.append_events(&all, length).is_err());
    }

    #[test]
    fn torn_foreign_newer_and_endless_files_are_quarantined() {
        let good = EventFile::encode(events(2).iter());
        let mut newer = good.clone();
        newer[MAGIC.len() + 1] = 2;
        for (file, kept, text) in [
            (good[..good.len() - 1].to_vec(), 1, "truncated or damaged"),
            (b"#!/bin/sh".to_vec(), 0, "not written by seedwatch"),
            (newer, 0, "has version 2"),
            (vec![b's'; MAX_FILE + 1], 0, "too long"),
            (Vec::new(), 0, "truncated or damaged"),
        ] {
            let folder = tempfile::tempdir().unwrap();
            let store = Store::at(folder.path());
            store.prepare().unwrap();
            fs::write(store.path(SECTION), &file).unwrap();
            let loaded = store.load_events();
            assert_eq!((loaded.events.len(), loaded.length), (kept, None), "{text}");
            let error = loaded.error.unwrap().to_string();
            assert!(
                error.contains(text) && error.contains("quarantined as"),
                "{error}"
            );
            assert!(!store.path(SECTION).exists(), "{text}");
            assert!(store.save_events(&events(2)).is_ok(), "{text}");
        }
    }
}
