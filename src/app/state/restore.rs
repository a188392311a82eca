//! Restores an engine from the state directory. Unreadable files are quarantined and logged in one
//! line.

use std::sync::Arc;

use tracing::{info, warn};

use super::found_shards::FoundShards;
use super::save_pass::{Group, Shardings};
use super::{TRACKERS, call_disk};
use crate::store::{FileError, Loss, Store, StoreError};
use seedwatch_clock::{Now, Unix};
use seedwatch_core::Engine;
use seedwatch_core::swarm::{Shard, ShardFormat};
use seedwatch_distinct::{Key, Window};

/// The state directory at the start.
pub(super) struct Opened {
    /// The key of the directory: the saved one, or a fresh one.
    pub(super) key: Key,
    /// Why the directory cannot be written to, if so.
    pub(super) error: Option<StoreError>,
    /// Whether an earlier key is lost, and with it the history of all torrents.
    pub(super) key_is_lost: bool,
}

/// Claims the directory for this process and loads its key; saves `fresh` if it has none.
///
/// # Errors
/// [`StoreError::InUse`]: another process reads and writes the directory.
pub(super) fn key(store: &Store, fresh: Key) -> Result<Opened, StoreError> {
    let opened = |key, error, key_is_lost| Opened {
        key,
        error,
        key_is_lost,
    };
    let unwritable = match store.prepare() {
        Err(error @ StoreError::InUse { .. }) => return Err(error),
        // A directory that cannot be written to may still be read.
        prepared => prepared.err(),
    };
    let sections = match store.sections() {
        Ok(sections) => sections,
        Err(error) => return Ok(opened(fresh, unwritable.or(Some(error)), true)),
    };
    match store.load_key() {
        Ok(Some(key)) => return Ok(opened(key, unwritable, false)),
        Ok(None) => {}
        Err(error) => {
            warn!(%error, "the key of the state is lost: distinct peers are counted from zero")
        }
    }
    // Sets of peers are useless without the key that these peers were hashed with.
    let lost = sections
        .iter()
        .filter(|section| Group::of(section).is_some());
    let reject = |name: &String| store.reject(name, FileError::Content);
    let rejected: Vec<StoreError> = lost.map(reject).collect();
    if let Some(first) = rejected.first() {
        let files = rejected.len();
        warn!(
            files,
            %first,
            "distinct peers are counted from zero: the saved sets cannot be used without their key"
        );
    }
    let unclaimed = store.claim(&fresh).err();
    Ok(opened(
        fresh,
        unwritable.or(unclaimed),
        !rejected.is_empty(),
    ))
}

/// Restores the state into an engine that has no configuration yet. Returns the sizes in which it
/// was written. With `key_is_lost`, all torrents have lost their history.
pub(super) fn engine(
    store: &Arc<Store>,
    engine: &mut Engine,
    key_is_lost: bool,
    now: Now,
) -> Shardings {
    let mut reading = Reading {
        store,
        errors: Vec::new(),
        hangs: false,
    };
    let trackers = reading.load(TRACKERS.0, TRACKERS.1, |version, bytes| {
        version == TRACKERS.1 && engine.restore_trackers(bytes, now).is_ok()
    });
    let mut shardings = Shardings::default();
    let mut found = FoundShards::default();
    // `key` has reported it if the directory cannot be listed.
    for section in &reading.sections() {
        let Some((group, of)) = Group::of(section) else {
            continue;
        };
        let sharding = &mut shardings[group.index()];
        sharding.shards = sharding.shards.max(of);
        let loaded = reading.load(section, group.version(), |version, bytes| match group {
            Group::Torrents => engine
                .decode_torrents(bytes, ShardFormat::of(version))
                .is_ok(),
            Group::Shared => engine
                .decode_shared(bytes, ShardFormat::of(version))
                .is_ok(),
            Group::Cliffs => engine.decode_cliffs(bytes).is_ok(),
        });
        sharding.bytes += loaded.unwrap_or(0);
        found.add(section, loaded.is_some());
    }
    if trackers.is_none() && found.is_complete(Group::Torrents) {
        reading.report_missing(TRACKERS.0);
    }
    for (group, shard) in found.missing() {
        reading.report_missing(&group.section(shard));
    }
    if let Some(first) = reading.errors.first() {
        let files = reading.errors.len();
        warn!(files, %first, "a part of the state is lost");
    }
    if !reading.errors.is_empty() || !found.is_complete(Group::Shared) {
        engine.rebuild_all_peers();
    }
    let mut lost = found.lost();
    lost.extend((key_is_lost && lost.is_empty()).then_some(Shard { index: 0, of: 1 }));
    record_losses(&reading, engine, &lost, now.unix);
    let torrents = engine.saved_torrents();
    if torrents > 0 {
        let bytes: u64 = shardings.iter().map(|sharding| sharding.bytes).sum();
        info!(torrents, bytes, "state restored");
    }
    shardings
}

/// Reports to the engine the shards lost now, and earlier losses that windows still reach back
/// beyond.
fn record_losses(reading: &Reading<'_>, engine: &mut Engine, lost: &[Shard], now: Unix) {
    // Windows begin on the hour or on the day.
    let longest = (u64::from(Window::Month.hours()) + 24) * 3600;
    let store = Arc::clone(reading.store);
    let known = match reading.hangs {
        true => Vec::new(),
        false => call_disk(move || store.load_losses()).unwrap_or_default(),
    };
    let before = known.len();
    let recent = |loss: &Loss| now.0 < loss.at.0.saturating_add(longest);
    let mut losses: Vec<Loss> = known.into_iter().filter(recent).collect();
    let is_changed = losses.len() != before || !lost.is_empty();
    losses.extend(lost.iter().map(|shard| Loss {
        at: now,
        index: shard.index,
        of: shard.of,
    }));
    for Loss { at, index, of } in &losses {
        let (index, of) = (*index, *of);
        engine.mark_lost(*at, Shard { index, of });
    }
    if is_changed && !reading.hangs {
        let store = Arc::clone(reading.store);
        // If the directory is not writable, the first save pass reports it.
        let _ = call_disk(move || store.save_losses(&losses));
    }
}

/// Reads sections one after the other, as long as the disk answers.
struct Reading<'a> {
    store: &'a Arc<Store>,
    errors: Vec<StoreError>,
    hangs: bool,
}

impl Reading<'_> {
    fn sections(&mut self) -> Vec<String> {
        self.call(|store| store.sections().unwrap_or_default())
            .unwrap_or_default()
    }

    /// Loads a section; returns its length if it is there and `decode` accepts it.
    fn load(
        &mut self,
        section: &str,
        version: u16,
        decode: impl FnOnce(u16, &[u8]) -> bool,
    ) -> Option<u64> {
        let name = section.to_owned();
        let error = match self.call(move |store| store.load(&name, version))? {
            Ok(Some((version, payload))) if decode(version, &payload) => {
                return Some(payload.len() as u64);
            }
            Ok(None) => return None,
            Ok(Some(_)) => {
                let name = section.to_owned();
                self.call(move |store| store.reject(&name, FileError::Content))?
            }
            Err(error) => error,
        };
        self.errors.push(error);
        None
    }

    /// Reports a section that should be there, unless an error of its file is reported already.
    fn report_missing(&mut self, section: &str) {
        let missing = self.store.missing(section);
        let is_same = |known: &StoreError| match (known, &missing) {
            (StoreError::File { path, .. }, StoreError::File { path: other, .. }) => path == other,
            _ => false,
        };
        if !self.errors.iter().any(is_same) {
            self.errors.push(missing);
        }
    }

    /// Calls the store. Returns `None` if the disk does not answer, now or earlier.
    fn call<T: Send + 'static>(
        &mut self,
        call: impl FnOnce(&Store) -> T + Send + 'static,
    ) -> Option<T> {
        if self.hangs {
            return None;
        }
        let store = Arc::clone(self.store);
        let answer = call_disk(move || call(&store));
        if answer.is_none() {
            self.hangs = true;
            self.errors.push(self.store.hangs());
        }
        answer
    }
}
