//! Last good copies in the state directory, a section for each list. They hold entries, not the
//! lists as fetched, and no URL of a list.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use sha2::{Digest, Sha256};
use tracing::warn;

use crate::app::state::call_disk;
use crate::config::{List, ListSource};
use crate::store::{FileError, Store, StoreError};
use seedwatch_lists::SavedList;

/// The version of a section.
const VERSION: u16 = 1;

/// The first word of each section.
const SECTION: &str = "lists";

/// Returns the number of a list, which depends on all that its entries depend on: where it is and
/// how it is read.
pub(super) fn id(list: &List) -> u64 {
    let mut text = match &list.source {
        ListSource::Url(url) => format!("url {}\n", url.secret_url()),
        ListSource::File(path) => format!("file {}\n", path.display()),
    };
    let format = &list.format;
    // Writing to a `String` does not fail.
    let _ = write!(text, "{:?}\n{:?}\n", format.format, format.items);
    for (role, name) in format.fields.given() {
        let _ = writeln!(text, "{} {name}", role.as_key());
    }
    let hash = Sha256::digest(text);
    let first = hash.first_chunk().copied().unwrap_or_default();
    u64::from_be_bytes(first)
}

fn section(id: u64) -> String {
    format!("{SECTION}-{id}")
}

/// The copies of all lists.
pub(in crate::app) struct Copies {
    /// `None` if no state is kept.
    store: Option<Arc<Store>>,
    /// Copies that were read for a configuration that is not in effect yet.
    loaded: Mutex<HashMap<u64, SavedList>>,
}

impl Copies {
    /// Returns the copies in a store.
    pub(in crate::app) fn new(store: Option<Arc<Store>>) -> Self {
        Self {
            store,
            loaded: Mutex::default(),
        }
    }

    /// Reads the copies of these lists. A list without a copy is left out.
    pub(super) fn load(&self, ids: &[u64]) -> HashMap<u64, SavedList> {
        let mut copies = HashMap::new();
        for id in ids {
            if let Some(copy) = self.load_one(*id) {
                copies.insert(*id, copy);
            }
        }
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        loaded.clone_from(&copies);
        copies
    }

    fn load_one(&self, id: u64) -> Option<SavedList> {
        let store = Arc::clone(self.store.as_ref()?);
        let hangs = store.hangs();
        let loaded = call_disk(move || {
            let section = section(id);
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
    pub(super) fn take(&self, id: u64) -> Option<SavedList> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        loaded.remove(&id)
    }

    /// Saves a copy. Waits for the disk, but not forever.
    ///
    /// # Errors
    /// The copy is not saved.
    pub(super) fn save(&self, id: u64, copy: SavedList) -> Result<(), StoreError> {
        let Some(store) = self.store.clone() else {
            return Ok(());
        };
        let hangs = store.hangs();
        let saved = call_disk(move || store.save(&section(id), VERSION, &copy.encode()));
        saved.unwrap_or(Err(hangs))
    }

    /// Removes the copies of other lists, without waiting.
    pub(super) fn forget_all_but(&self, ids: Vec<u64>) {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        loaded.clear();
        drop(loaded);
        let Some(store) = self.store.clone() else {
            return;
        };
        let kept: Vec<String> = ids.into_iter().map(section).collect();
        tokio::task::spawn_blocking(move || {
            let sections = store.sections().unwrap_or_default();
            let is_old = |name: &&String| {
                let number = name
                    .strip_prefix(SECTION)
                    .and_then(|it| it.strip_prefix('-'));
                number.is_some() && !kept.contains(name)
            };
            for section in sections.iter().filter(is_old) {
                // A copy that stays does no harm.
                let _ = store.remove(section);
            }
        });
    }
}
