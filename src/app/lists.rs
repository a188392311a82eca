//! Torrent lists from files and servers: fetched beside the main loop, guarded, and saved.
//!
//! | File | Contents |
//! |---|---|
//! | `fetch` | one fetch of a URL, or one read of a file |
//! | `watched` | the state of one list between fetches |
//! | `copies` | last good copies in the state directory |
//! | `worker` | the task that fetches what is due |
//!
//! The worker tells the main loop when entries changed; the main loop merges them with its
//! configuration on a thread of its own ([`Config::merge`](crate::config::Config::merge)), and
//! applies the result as a reload does. Nothing of this waits for a server or a disk.

mod copies;
mod fetch;
mod watched;
mod worker;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use crate::config::{Config, List, Merged};
use copies::Copies;
use seedwatch_clock::Clock;
use seedwatch_core::snapshot::ListRow;
use seedwatch_lists::Entry;
use seedwatch_probers::http::Downloader;
use watched::Watched;

/// The lists of the configuration, and the task that fetches them.
pub(super) struct ListWatcher {
    shared: Arc<Shared>,
    worker: JoinHandle<()>,
}

/// What the worker, the main loop and reloads share.
pub(super) struct Shared {
    state: Mutex<State>,
    copies: Copies,
    clock: Clock,
    /// Wakes the worker after a change of the configuration.
    changed: Notify,
}

#[derive(Default)]
struct State {
    watched: Vec<Watched>,
    /// Fetches lists; `None` before the first configuration.
    downloader: Option<Downloader>,
    /// Counts changes of entries.
    version: u64,
}

/// Lists with their entries.
type ListEntries = Vec<(Arc<List>, Arc<[Entry]>)>;

/// The torrents of a configuration and its lists, and which entries were merged.
#[derive(Debug)]
pub(super) struct MergedLists {
    pub(super) merged: Merged,
    pub(super) version: u64,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // No code that holds the lock can panic half-way through a change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the torrents of a configuration, with the entries of its lists. Loads the copies of
    /// lists that are new. Takes time: call it where it delays nothing.
    pub(super) fn merge(&self, config: &Config) -> MergedLists {
        let (entries, version) = self.entries(&config.lists.all);
        MergedLists {
            merged: config.merge(&entries),
            version,
        }
    }

    /// Returns the entries of these lists, and their version.
    fn entries(&self, lists: &[Arc<List>]) -> (ListEntries, u64) {
        let ids: Vec<u64> = lists.iter().map(|list| copies::id(list)).collect();
        let known = |state: &State, id| state.watched.iter().any(|it| it.id() == id);
        let new: Vec<u64> = {
            let state = self.state();
            let ids = ids.iter().copied();
            ids.filter(|id| !known(&state, *id)).collect()
        };
        let loaded = self.copies.load(&new);
        let state = self.state();
        let entries = lists.iter().zip(ids).map(|(list, id)| {
            let watched = state.watched.iter().find(|it| it.id() == id);
            let entries = match watched {
                Some(watched) => watched.entries(),
                None => loaded.get(&id).map(|copy| Arc::clone(&copy.entries)),
            };
            (Arc::clone(list), entries.unwrap_or_default())
        });
        (entries.collect(), state.version)
    }
}

impl ListWatcher {
    /// Starts the worker, which has no list yet. It sends a word when entries changed; one that
    /// waits is enough.
    pub(super) fn start(shared: Arc<Shared>, changed: mpsc::Sender<()>) -> Self {
        let worker = tokio::spawn(worker::run(Arc::clone(&shared), changed));
        Self { shared, worker }
    }

    /// Returns what reloads need.
    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Watches these lists from now on. Lists that were watched before keep their state.
    pub(super) fn configure(&self, lists: &[Arc<List>], downloader: Downloader) {
        self.shared.configure(lists, downloader);
    }

    /// Returns the version of the entries.
    pub(super) fn version(&self) -> u64 {
        self.shared.state().version
    }

    /// Returns the state of the lists, sorted by name.
    pub(super) fn rows(&self) -> Arc<[ListRow]> {
        let state = self.shared.state();
        let mut rows: Vec<ListRow> = state.watched.iter().map(Watched::row).collect();
        rows.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        rows.into()
    }
}

/// Adds the entries of saved copies to a configuration. Returns their version.
pub(super) async fn merge_saved(shared: &Arc<Shared>, config: &mut Config) -> u64 {
    if config.lists.all.is_empty() {
        return 0;
    }
    let (shared, base) = (Arc::clone(shared), config.clone());
    let merged = tokio::task::spawn_blocking(move || shared.merge(&base)).await;
    merged.map_or(0, |lists| {
        config.torrents = lists.merged.torrents;
        lists.version
    })
}

impl Drop for ListWatcher {
    fn drop(&mut self) {
        self.worker.abort();
    }
}

impl Shared {
    /// Returns the state without lists. `store` keeps the copies; without one, none is kept.
    pub(super) fn new(copies: Copies, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            copies,
            clock,
            changed: Notify::new(),
        })
    }

    /// Replaces the lists. Those that were watched before keep their state.
    pub(super) fn configure(&self, lists: &[Arc<List>], downloader: Downloader) {
        let ids: Vec<u64> = lists.iter().map(|list| copies::id(list)).collect();
        let mut state = self.state();
        let mut before = std::mem::take(&mut state.watched);
        for (list, id) in lists.iter().zip(&ids) {
            let known = before.iter().position(|it| it.id() == *id);
            state.watched.push(match known {
                Some(known) => before.swap_remove(known).with(Arc::clone(list)),
                None => Watched::new(Arc::clone(list), *id, self.copies.take(*id)),
            });
        }
        state.downloader = Some(downloader);
        drop(state);
        self.copies.forget_all_but(ids);
        self.changed.notify_one();
    }
}

pub(super) use copies::Copies as ListCopies;

#[cfg(test)]
mod tests;
