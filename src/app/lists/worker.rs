//! The task that fetches what is due.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::sleep_until;
use tracing::warn;

use super::fetch::{FetchRequest, Outcome};
use super::key::ListKey;
use super::{Shared, State};
use crate::config::MAX_LISTS;
use crate::store::StoreError;
use seedwatch_clock::Mono;

/// Most fetches at once: all, so that slow servers delay no other list. The memory for their bodies
/// is bounded apart.
const MAX_FETCHES: usize = MAX_LISTS;

/// Fetches lists when they are due, and tells the main loop when entries changed.
pub(super) async fn run(shared: Arc<Shared>, changed: mpsc::Sender<()>) {
    let mut fetches = JoinSet::new();
    loop {
        let now = shared.clock.now().mono;
        let due = shared.state().begin(now, MAX_FETCHES - fetches.len());
        for (key, request) in due {
            // In a task of its own, so that a panic is the failure of one fetch.
            let fetch = tokio::spawn(request.run());
            fetches
                .spawn(async move { (key, fetch.await.unwrap_or_else(|_| Outcome::panicked())) });
        }
        let due = match fetches.len() < MAX_FETCHES {
            true => shared.state().next_due(),
            false => None,
        };
        let wait = async {
            match due {
                Some(due) => sleep_until(shared.clock.instant(due).into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(ended) = fetches.join_next() => {
                if let Ok((key, outcome)) = ended
                    && end(&shared, key, outcome).await
                {
                    // Full: the main loop has not taken the last message yet.
                    let _ = changed.try_send(());
                }
            }
            () = shared.changed.notified() => {}
            () = wait => {}
        }
    }
}

/// Takes the outcome of a fetch, and saves the copy before it is used: what is watched survives a
/// kill. Returns whether entries changed.
async fn end(shared: &Arc<Shared>, key: ListKey, outcome: Outcome) -> bool {
    let now = shared.clock.now();
    let consequence = {
        let mut state = shared.state();
        let mut watched = state.watched.iter_mut();
        let Some(watched) = watched.find(|it| it.key().has_source_of(key)) else {
            // The list left the configuration, or has another source.
            return false;
        };
        watched.end(outcome, rand::random(), now)
    };
    if let Some(save) = consequence.save {
        let shared = Arc::clone(shared);
        let saved = spawn_blocking(move || {
            shared.copies.save(save.key, save.copy)?;
            if let Some(key) = save.replaces {
                shared.copies.remove(key);
            }
            Ok::<(), StoreError>(())
        });
        if let Ok(Err(error)) = saved.await {
            warn!(%error, "the last good copy of a list is not saved");
        }
    }
    if consequence.is_changed {
        shared.state().version += 1;
    }
    consequence.is_changed
}

impl State {
    /// Begins the fetches that are due, at most so many.
    fn begin(&mut self, now: Mono, most: usize) -> Vec<(ListKey, FetchRequest)> {
        let Some(downloader) = self.downloader.clone() else {
            return Vec::new();
        };
        let due = self.watched.iter_mut();
        let due = due.filter(|it| it.due().is_some_and(|due| due <= now));
        let begin = due.take(most);
        begin
            .map(|it| (it.key(), it.begin(downloader.clone())))
            .collect()
    }

    /// Returns when the next fetch is due.
    fn next_due(&self) -> Option<Mono> {
        self.watched.iter().filter_map(|it| it.due()).min()
    }
}
