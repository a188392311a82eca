//! Last good copies in the state directory, a section for each list. They hold entries, not the
//! lists as fetched, and no URL of a list.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::warn;

use super::key::{ListKey, continued};
use crate::app::state::call_disk;
use crate::store::{self, FileError, Store, StoreError};
use seedwatch_lists::SavedList;

/// The version of a section.
const VERSION: u16 = 1;

/// What the name of each section begins with; the key of the list follows.
const PREFIX: &str = "lists-";

fn section(key: ListKey) -> String {
    format!("{PREFIX}{key}")
}

/// Reads the copy that a running daemon saved, without changing its state directory.
pub(super) fn peek(folder: &Path, key: ListKey) -> Option<SavedList> {
    let payload = store::peek(folder, &section(key), VERSION)?;
    SavedList::decode(&payload).ok()
}

/// A copy that was read from the state directory.
#[derive(Clone)]
pub(super) struct LoadedCopy {
    /// The key under which it was saved: that of the list, or of an earlier source of the list.
    pub(super) key: ListKey,
    pub(super) copy: SavedList,
}

/// The copies of all lists.
pub(in crate::app) struct Copies {
    /// `None` if no state is kept.
    store: Option<Arc<Store>>,
    /// Copies that were read for a configuration that is not in effect yet.
    loaded: Mutex<HashMap<ListKey, LoadedCopy>>,
}

impl Copies {
    /// Returns the copies in a store.
    pub(in crate::app) fn new(store: Option<Arc<Store>>) -> Self {
        Self {
            store,
            loaded: Mutex::default(),
        }
    }

    /// Reads the copies of these lists, except those `in_use`. A list without a copy of its own
    /// gets that of an earlier source of the same name; one without either is left out.
    pub(super) fn load(
        &self,
        wanted: &[ListKey],
        in_use: &[ListKey],
    ) -> HashMap<ListKey, LoadedCopy> {
        let mut saved = match wanted.is_empty() {
            true => Vec::new(),
            false => self.saved_keys(),
        };
        saved.retain(|key| !in_use.contains(key));
        let mut copies = HashMap::new();
        for (wanted, found) in wanted.iter().zip(continued(wanted, &saved)) {
            if let Some(key) = found.map(|n| saved[n])
                && let Some(copy) = self.load_one(key)
            {
                copies.insert(*wanted, LoadedCopy { key, copy });
            }
        }
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        loaded.clone_from(&copies);
        copies
    }

    /// Returns the keys of the copies in the state directory.
    fn saved_keys(&self) -> Vec<ListKey> {
        let Some(store) = self.store.clone() else {
            return Vec::new();
        };
        let sections = call_disk(move || store.sections().unwrap_or_default());
        let sections = sections.unwrap_or_default();
        let keys = sections.iter().filter_map(|it| it.strip_prefix(PREFIX));
        keys.filter_map(ListKey::parse).collect()
    }

    fn load_one(&self, key: ListKey) -> Option<SavedList> {
        let store = Arc::clone(self.store.as_ref()?);
        let hangs = store.hangs();
        let loaded = call_disk(move || {
            let section = section(key);
            let Some((_, payload)) = store.load(&section, VERSION)? else {
                return Ok(None);
            };
            match SavedList::decode(&payload) {
                Ok(copy) => Ok(Some(copy)),
                Err(_) => Err(store.reject(&section, FileError::Content)),
            }
        });
        loaded.unwrap_or(Err(hangs)).unwrap_or_else(|error| {
            warn!(%error, "the last good copy of a list is lost");
            None
        })
    }

    /// Returns a copy that was read, once.
    pub(super) fn take(&self, key: ListKey) -> Option<LoadedCopy> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        loaded.remove(&key)
    }

    /// Saves a copy. Waits for the disk, but not forever.
    ///
    /// # Errors
    /// The copy is not saved.
    pub(super) fn save(&self, key: ListKey, copy: SavedList) -> Result<(), StoreError> {
        let Some(store) = self.store.clone() else {
            return Ok(());
        };
        let hangs = store.hangs();
        let saved = call_disk(move || store.save(&section(key), VERSION, &copy.encode()));
        saved.unwrap_or(Err(hangs))
    }

    /// Removes a copy. Waits for the disk, but not forever.
    pub(super) fn remove(&self, key: ListKey) {
        if let Some(store) = self.store.clone() {
            // A copy that stays does no harm.
            let _ = call_disk(move || store.remove(&section(key)));
        }
    }

    /// Removes all copies but these, without waiting.
    pub(super) fn forget_all_but(&self, keys: Vec<ListKey>) {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        loaded.clear();
        drop(loaded);
        let Some(store) = self.store.clone() else {
            return;
        };
        let kept: Vec<String> = keys.into_iter().map(section).collect();
        tokio::task::spawn_blocking(move || {
            let sections = store.sections().unwrap_or_default();
            let is_old = |name: &&String| name.starts_with(PREFIX) && !kept.contains(name);
            for section in sections.iter().filter(is_old) {
                // A copy that stays does no harm.
                let _ = store.remove(section);
            }
        });
    }
}
