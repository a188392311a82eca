//! From the state directory to a core. What is of no use is put aside, and said in one line.

use tracing::{info, warn};

use super::{FLEET, TORRENTS, TRACKERS, parts_of};
use crate::app::core::Core;
use crate::store::{Bad, Store, StoreError};
use crate::time::Now;
use crate::window::Key;

/// What was found of torrents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    /// Parts it was written in.
    pub(super) parts: u32,
    /// Bytes of all parts.
    pub(super) bytes: u64,
}

/// The key of the directory: the one that is there, or `fresh`. And why it cannot be kept, if so.
pub(super) fn key(store: &Store, fresh: Key) -> (Key, Option<StoreError>) {
    // A directory that cannot be written to may still be read.
    let trouble = store.prepare().err();
    let sections = match store.sections() {
        Ok(sections) => sections,
        Err(error) => return (fresh, trouble.or(Some(error))),
    };
    match store.load_key() {
        Ok(Some(key)) => return (key, trouble),
        Ok(None) => {}
        Err(error) => warn!(%error, "peers are counted anew"),
    }
    // What peers were hashed with is lost, and with it who they were.
    let lost = sections.iter().filter(|section| is_keyed(section));
    let aside: Vec<StoreError> = lost.map(|name| store.reject(name, Bad::Content)).collect();
    if let Some(first) = aside.first() {
        let files = aside.len();
        warn!(files, %first, "peers are counted anew: what was saved is of no use without its key");
    }
    let kept = store.claim(&fresh).err();
    (fresh, trouble.or(kept))
}

fn is_keyed(section: &str) -> bool {
    section == FLEET.0 || parts_of(section).is_some()
}

/// Fills a core that knows of no torrents yet.
pub(super) fn core(store: &Store, core: &mut Core, now: Now) -> Known {
    let mut wrong = Vec::new();
    let mut take = |section: &str, version, decode: &mut dyn FnMut(&[u8]) -> bool| match store
        .load(section, version)
    {
        Ok(Some((_, payload))) if decode(&payload) => payload.len() as u64,
        Ok(Some(_)) => {
            wrong.push(store.reject(section, Bad::Content));
            0
        }
        Ok(None) => 0,
        Err(error) => {
            wrong.push(error);
            0
        }
    };
    take(TRACKERS.0, TRACKERS.1, &mut |bytes| {
        core.recall_trackers(bytes, now).is_ok()
    });
    take(FLEET.0, FLEET.1, &mut |bytes| {
        core.decode_shared(bytes).is_ok()
    });
    let mut known = Known { parts: 1, bytes: 0 };
    // If it cannot be listed, that was said before.
    let sections = store.sections().unwrap_or_default();
    let parts = sections
        .iter()
        .filter_map(|section| Some((section, parts_of(section)?)));
    for (section, parts) in parts {
        known.parts = known.parts.max(parts);
        known.bytes += take(section, TORRENTS.1, &mut |bytes| {
            core.decode_torrents(bytes).is_ok()
        });
    }
    if let Some(first) = wrong.first() {
        let files = wrong.len();
        warn!(files, %first, "a part of the state is lost");
    }
    let torrents = core.remembered();
    if torrents > 0 {
        info!(torrents, bytes = known.bytes, "state restored");
    }
    known
}
