//! Torrent lists from files and servers: fetched beside the main loop, guarded, and saved.
//!
//! | File | Contents |
//! |---|---|
//! | `fetch` | one fetch of a URL, or one read of a file |
//! | `watched` | the state of one list between fetches |
//! | `key` | what lists and their copies are told apart by |
//! | `copies` | last good copies in the state directory |
//! | `worker` | the task that fetches what is due |
//!
//! The worker tells the main loop when entries changed. The main loop merges them with its
//! configuration on a thread of its own ([`Config::merge`](crate::config::Config::merge)), and
//! applies the result as a reload does. The main loop waits for no server and no disk.

mod copies;
mod fetch;
mod key;
mod watched;
mod worker;

pub(super) use copies::Copies as ListCopies;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use crate::config::{Config, List, Merged};
use copies::Copies;
use key::{ListKey, continued};
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
    /// Returns the state without lists, whose last good copies are `copies`.
    pub(super) fn new(copies: Copies, clock: Clock) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::default(),
            copies,
            clock,
            changed: Notify::new(),
        })
    }

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
        let keys: Vec<ListKey> = lists.iter().map(|list| ListKey::of(list)).collect();
        let (new, in_use) = {
            let state = self.state();
            let continued = state.continued(&keys);
            let is_new = |(key, known): (&ListKey, &Option<usize>)| known.is_none().then_some(*key);
            let new: Vec<ListKey> = keys.iter().zip(&continued).filter_map(is_new).collect();
            let known = continued.iter().flatten().map(|n| &state.watched[*n]);
            (new, known.filter_map(Watched::copy_key).collect::<Vec<_>>())
        };
        let loaded = self.copies.load(&new, &in_use);
        let state = self.state();
        let continued = state.continued(&keys);
        let lists = lists.iter().zip(keys).zip(continued);
        let entries = lists.map(|((list, key), known)| {
            let entries = match known {
                Some(known) => state.watched[known].entries(),
                None => loaded.get(&key).map(|it| Arc::clone(&it.copy.entries)),
            };
            (Arc::clone(list), entries.unwrap_or_default())
        });
        (entries.collect(), state.version)
    }

    /// Replaces the lists. Those that were watched before keep their state, and are fetched early
    /// as far as that is polite.
    pub(super) fn configure(&self, lists: &[Arc<List>], downloader: Downloader) {
        let keys: Vec<ListKey> = lists.iter().map(|list| ListKey::of(list)).collect();
        let mut state = self.state();
        let continued = state.continued(&keys);
        let before = std::mem::take(&mut state.watched).into_iter();
        let mut before: Vec<Option<Watched>> = before.map(Some).collect();
        for ((list, key), known) in lists.iter().zip(keys).zip(continued) {
            let (list, known) = (Arc::clone(list), known.and_then(|n| before[n].take()));
            state.watched.push(match known {
                Some(known) => known.reloaded(list, key),
                None => Watched::new(list, key, self.copies.take(key)),
            });
        }
        state.downloader = Some(downloader);
        let kept = state.watched.iter().filter_map(Watched::copy_key).collect();
        drop(state);
        self.copies.forget_all_but(kept);
        self.changed.notify_one();
    }
}

impl State {
    /// Returns for each list the index of the watched one that it continues.
    fn continued(&self, keys: &[ListKey]) -> Vec<Option<usize>> {
        let known: Vec<ListKey> = self.watched.iter().map(Watched::key).collect();
        continued(keys, &known)
    }
}

impl ListWatcher {
    /// Starts the worker, which has no list yet. The worker sends a message after entries changed,
    /// unless the main loop has not taken the last message yet.
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
        let now = self.shared.clock.now();
        let mut rows: Vec<ListRow> = state.watched.iter().map(|it| it.row(now)).collect();
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

/// Adds the entries of the copies that a running daemon saved, without changing its state
/// directory. Reads files: call it where it delays nothing.
pub(super) fn peek(config: &mut Config) {
    let Some(folder) = &config.state.path else {
        return;
    };
    let lists = config.lists.all.iter().filter_map(|list| {
        let copy = copies::peek(folder, ListKey::of(list))?;
        Some((Arc::clone(list), copy.entries))
    });
    let entries: ListEntries = lists.collect();
    if !entries.is_empty() {
        config.torrents = config.merge(&entries).torrents;
    }
}

impl Drop for ListWatcher {
    fn drop(&mut self) {
        self.worker.abort();
    }
}

#[cfg(test)]
mod tests;
