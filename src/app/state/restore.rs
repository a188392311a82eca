//! From the state directory to a core. What is of no use is put aside, and said in one line.

use tracing::{info, warn};

use super::round::{Group, Splits};
use super::{PARTS, TRACKERS, layout};
use crate::app::core::Core;
use crate::store::{Bad, Store, StoreError};
use crate::time::Now;
use crate::window::Key;

/// The key of the directory: the one that is there, or `fresh`. And why it cannot be kept, if so.
///
/// # Errors
/// [`StoreError::InUse`]: what is saved there is not ours to read, nor to write.
pub(super) fn key(store: &Store, fresh: Key) -> Result<(Key, Option<StoreError>), StoreError> {
    let trouble = match store.prepare() {
        Err(error @ StoreError::InUse { .. }) => return Err(error),
        // A directory that cannot be written to may still be read.
        prepared => prepared.err(),
    };
    let sections = match store.sections() {
        Ok(sections) => sections,
        Err(error) => return Ok((fresh, trouble.or(Some(error)))),
    };
    match store.load_key() {
        Ok(Some(key)) => return Ok((key, trouble)),
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
    Ok((fresh, trouble.or(kept)))
}

/// Fills a core that knows of no torrents yet; says how that was written.
pub(super) fn core(store: &Store, core: &mut Core, now: Now) -> Splits {
    let mut wrong = Vec::new();
    let mut take = |section: &str, version, decode: &mut dyn FnMut(u16, &[u8]) -> bool| match store
        .load(section, version)
    {
        Ok(Some((version, payload))) if decode(version, &payload) => payload.len() as u64,
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
    take(TRACKERS.0, TRACKERS.1, &mut |_, bytes| {
        core.recall_trackers(bytes, now).is_ok()
    });
    let mut splits = Splits::default();
    // If it cannot be listed, that was said before.
    let sections = store.sections().unwrap_or_default();
    for section in &sections {
        let Some((group, parts)) = Group::of(section) else {
            continue;
        };
        let split = &mut splits[group.index()];
        split.parts = split.parts.max(parts);
        split.bytes += take(section, PARTS, &mut |version, bytes| match group {
            Group::Torrents => core.decode_torrents(bytes, layout(version)).is_ok(),
            Group::Fleet => core.decode_shared(bytes, layout(version)).is_ok(),
        });
    }
    if let Some(first) = wrong.first() {
        let files = wrong.len();
        warn!(files, %first, "a part of the state is lost");
        core.recall_fleet();
    }
    let torrents = core.remembered();
    if torrents > 0 {
        let bytes: u64 = splits.iter().map(|split| split.bytes).sum();
        info!(torrents, bytes, "state restored");
    }
    splits
}
