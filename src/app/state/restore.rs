//! From the state directory to a core. What is of no use is put aside, and said in one line.

use std::sync::Arc;

use tracing::{info, warn};

use super::parts::Parts;
use super::round::{Group, Splits};
use super::{PARTS, TRACKERS, in_time, layout};
use crate::store::{Bad, Loss, Store, StoreError};
use seedwatch_clock::{Now, Unix};
use seedwatch_core::Engine;
use seedwatch_core::swarm::Shard;
use seedwatch_distinct::{Key, Window};

/// What was found where the state is kept.
pub(super) struct Opened {
    /// The key of the directory: the one that is there, or a fresh one.
    pub(super) key: Key,
    /// Why it cannot be kept, if so.
    pub(super) trouble: Option<StoreError>,
    /// The key before is lost, and with it the past of all torrents.
    pub(super) is_lost: bool,
}

/// Takes the directory for this process, and its key, or `fresh` if it has none.
///
/// # Errors
/// [`StoreError::InUse`]: what is saved there is not ours to read, nor to write.
pub(super) fn key(store: &Store, fresh: Key) -> Result<Opened, StoreError> {
    let opened = |key, trouble, is_lost| Opened {
        key,
        trouble,
        is_lost,
    };
    let trouble = match store.prepare() {
        Err(error @ StoreError::InUse { .. }) => return Err(error),
        // A directory that cannot be written to may still be read.
        prepared => prepared.err(),
    };
    let sections = match store.sections() {
        Ok(sections) => sections,
        Err(error) => return Ok(opened(fresh, trouble.or(Some(error)), true)),
    };
    match store.load_key() {
        Ok(Some(key)) => return Ok(opened(key, trouble, false)),
        Ok(None) => {}
        Err(error) => warn!(%error, "peers are counted anew"),
    }
    // What peers were hashed with is lost, and with it who they were.
    let lost = sections
        .iter()
        .filter(|section| Group::of(section).is_some());
    let aside: Vec<StoreError> = lost.map(|name| store.reject(name, Bad::Content)).collect();
    if let Some(first) = aside.first() {
        let files = aside.len();
        warn!(files, %first, "peers are counted anew: what was saved is of no use without its key");
    }
    let kept = store.claim(&fresh).err();
    Ok(opened(fresh, trouble.or(kept), !aside.is_empty()))
}

/// Fills a core that knows of no torrents yet; says how that was written. What `is_lost` was found
/// lost before.
pub(super) fn core(store: &Arc<Store>, core: &mut Engine, is_lost: bool, now: Now) -> Splits {
    let mut reading = Reading {
        store,
        wrong: Vec::new(),
        hangs: false,
    };
    let has_trackers = reading.take(TRACKERS.0, TRACKERS.1, |_, bytes| {
        core.restore_trackers(bytes, now).is_ok()
    });
    let mut splits = Splits::default();
    let mut parts = Parts::default();
    // If it cannot be listed, that was said before.
    for section in &reading.sections() {
        let Some((group, of)) = Group::of(section) else {
            continue;
        };
        let split = &mut splits[group.index()];
        split.parts = split.parts.max(of);
        let taken = reading.take(section, PARTS, |version, bytes| match group {
            Group::Torrents => core.decode_torrents(bytes, layout(version)).is_ok(),
            Group::Fleet => core.decode_shared(bytes, layout(version)).is_ok(),
        });
        split.bytes += taken.unwrap_or(0);
        parts.add(section, taken.is_some());
    }
    if has_trackers.is_none() && parts.is_complete(Group::Torrents) {
        reading.miss(TRACKERS.0);
    }
    for (group, part) in parts.missing() {
        reading.miss(&group.section(part));
    }
    if let Some(first) = reading.wrong.first() {
        let files = reading.wrong.len();
        warn!(files, %first, "a part of the state is lost");
    }
    if !reading.wrong.is_empty() || !parts.is_complete(Group::Fleet) {
        core.rebuild_all_peers();
    }
    let mut lost = parts.lost();
    lost.extend((is_lost && lost.is_empty()).then_some(Shard { index: 0, of: 1 }));
    lose(&reading, core, &lost, now.unix);
    let torrents = core.remembered();
    if torrents > 0 {
        let bytes: u64 = splits.iter().map(|split| split.bytes).sum();
        info!(torrents, bytes, "state restored");
    }
    splits
}

/// Tells the core what is lost now, and what was lost so lately that windows reach back beyond it.
fn lose(reading: &Reading<'_>, core: &mut Engine, lost: &[Shard], now: Unix) {
    // Windows begin on the hour or on the day.
    let longest = (u64::from(Window::Month.hours()) + 24) * 3600;
    let store = Arc::clone(reading.store);
    let known = match reading.hangs {
        true => Vec::new(),
        false => in_time(move || store.load_losses()).unwrap_or_default(),
    };
    let before = known.len();
    let recent = |loss: &Loss| now.0 < loss.at.0.saturating_add(longest);
    let mut losses: Vec<Loss> = known.into_iter().filter(recent).collect();
    let is_news = losses.len() != before || !lost.is_empty();
    losses.extend(lost.iter().map(|part| Loss {
        at: now,
        index: part.index,
        of: part.of,
    }));
    for Loss { at, index, of } in &losses {
        let (index, of) = (*index, *of);
        core.lose(*at, Shard { index, of });
    }
    if is_news && !reading.hangs {
        let store = Arc::clone(reading.store);
        // Where it cannot be written, saving says so.
        let _ = in_time(move || store.save_losses(&losses));
    }
}

/// The files of a directory, one after the other, as long as its disk answers.
struct Reading<'a> {
    store: &'a Arc<Store>,
    wrong: Vec<StoreError>,
    hangs: bool,
}

impl Reading<'_> {
    fn sections(&mut self) -> Vec<String> {
        self.request(|store| store.sections().unwrap_or_default())
            .unwrap_or_default()
    }

    /// Loads a section; returns its length if it is there and `decode` understands it.
    fn take(
        &mut self,
        section: &str,
        version: u16,
        decode: impl FnOnce(u16, &[u8]) -> bool,
    ) -> Option<u64> {
        let name = section.to_owned();
        let error = match self.request(move |store| store.load(&name, version))? {
            Ok(Some((version, payload))) if decode(version, &payload) => {
                return Some(payload.len() as u64);
            }
            Ok(None) => return None,
            Ok(Some(_)) => {
                let name = section.to_owned();
                self.request(move |store| store.reject(&name, Bad::Content))?
            }
            Err(error) => error,
        };
        self.wrong.push(error);
        None
    }

    /// Notes a section that should be there, unless it is known what is wrong with it.
    fn miss(&mut self, section: &str) {
        let missing = self.store.missing(section);
        let is_same = |known: &StoreError| match (known, &missing) {
            (StoreError::Bad { path, .. }, StoreError::Bad { path: other, .. }) => path == other,
            _ => false,
        };
        if !self.wrong.iter().any(is_same) {
            self.wrong.push(missing);
        }
    }

    /// Asks the directory something. `None`: its disk does not answer, now or before.
    fn ask<T: Send + 'static>(
        &mut self,
        question: impl FnOnce(&Store) -> T + Send + 'static,
    ) -> Option<T> {
        if self.hangs {
            return None;
        }
        let store = Arc::clone(self.store);
        let answer = in_time(move || question(&store));
        if answer.is_none() {
            self.hangs = true;
            self.wrong.push(self.store.hangs());
        }
        answer
    }
}
