//! Saves events within a second, so that a kill loses none.
//!
//! New events are appended to their file. After an error, and when most of the file is beyond the
//! number of events that are kept, it is written again as a whole. No event is dropped because of
//! its age: the clock may be ahead. A disk that hangs delays only the events.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use tokio::time::timeout_at;
use tracing::warn;

use super::{call_disk, resume};
use crate::store::{EventFile, LoadedEvents, Store, StoreError};
use seedwatch_clock::LineLimit;
use seedwatch_core::events::{EventHistory, MAX_EVENTS, StateEvent};

/// Dropped events that the file may hold in addition to as many as are kept.
const SPARE: usize = 1024;

/// How long after an error the file is written again.
const RETRY: Duration = Duration::from_secs(60);

/// The outcome of a write: the length of the file.
type Outcome = Result<u64, StoreError>;

/// Writes the file of events.
#[derive(Debug, Default)]
pub(super) struct EventWriter {
    /// Events to append.
    waiting: Vec<StateEvent>,
    /// Events that are being added to those of earlier processes.
    merging: Vec<StateEvent>,
    /// The length of the file; `None` if it must be written again.
    length: Option<u64>,
    /// Whether the file was read. If the disk hung at the start, what it holds must not be lost, so
    /// each write adds to it.
    is_loaded: bool,
    writing: Option<oneshot::Receiver<Outcome>>,
    /// When the file may be written after an error.
    retry_at: Option<Instant>,
    errors: LineLimit<()>,
}

impl EventWriter {
    /// Loads the events of earlier processes.
    pub(super) async fn load(&mut self, store: &Arc<Store>) -> EventHistory {
        let (hangs, store) = (store.hangs(), Arc::clone(store));
        let load = move || call_disk(move || store.load_events());
        let loaded = tokio::task::spawn_blocking(load).await;
        let loaded = loaded.unwrap_or_else(resume);
        self.is_loaded = loaded.is_some();
        let loaded = loaded.unwrap_or(LoadedEvents {
            error: Some(hangs),
            ..LoadedEvents::default()
        });
        if let Some(error) = loaded.error {
            let kept = loaded.events.len();
            // The error says whether the file has been quarantined.
            warn!(%error, kept, "some changes of state could not be read");
        }
        self.length = loaded.length;
        EventHistory::of(loaded.events)
    }

    /// Begins to write new events, unless a write is under way. `history` holds all events.
    pub(super) fn write(
        &mut self,
        store: &Arc<Store>,
        new: Vec<StateEvent>,
        history: &EventHistory,
    ) {
        self.waiting.extend(new);
        if self.waiting.len() > MAX_EVENTS {
            self.waiting.clear();
            self.length = None;
        }
        if let Some(writing) = &mut self.writing {
            match writing.try_recv() {
                Err(oneshot::error::TryRecvError::Empty) => return,
                Ok(outcome) => self.end(outcome),
                Err(oneshot::error::TryRecvError::Closed) => self.writing = None,
            }
        }
        if self.retry_at.is_some_and(|at| Instant::now() < at) {
            return;
        }
        if let Some(write) = self.next(history) {
            let (done, outcome) = oneshot::channel();
            let store = Arc::clone(store);
            tokio::task::spawn_blocking(move || {
                let _ = done.send(write.run(&store));
            });
            self.writing = Some(outcome);
        }
    }

    /// Writes what is left, until the deadline.
    pub(super) async fn finish(
        &mut self,
        store: &Arc<Store>,
        new: Vec<StateEvent>,
        history: &EventHistory,
        deadline: Instant,
    ) {
        if let Some(writing) = self.writing.take()
            && let Ok(Ok(outcome)) = timeout_at(deadline.into(), writing).await
        {
            self.end(outcome);
        }
        self.retry_at = None;
        self.write(store, new, history);
        if let Some(writing) = self.writing.take()
            && let Ok(Ok(outcome)) = timeout_at(deadline.into(), writing).await
        {
            self.end(outcome);
        }
    }

    fn end(&mut self, outcome: Outcome) {
        self.writing = None;
        match outcome {
            Ok(length) => {
                self.length = Some(length);
                self.merging.clear();
            }
            Err(error) => {
                self.length = None;
                self.waiting.splice(..0, self.merging.drain(..));
                self.retry_at = Some(Instant::now() + RETRY);
                if let Some(suppressed) = self.errors.admit((), Instant::now()) {
                    warn!(%error, suppressed, "events are not saved");
                }
            }
        }
    }

    /// Returns what to write next.
    fn next(&mut self, history: &EventHistory) -> Option<Write> {
        let new = std::mem::take(&mut self.waiting);
        if !self.is_loaded {
            self.merging.clone_from(&new);
            return (!new.is_empty()).then_some(Write::Merge(new));
        }
        let kept = history.all().len();
        let length = self.length.filter(|length| {
            // The file is written again when most of it was dropped.
            *length <= EventFile::length(2 * kept + SPARE)
        });
        match length {
            Some(_) if new.is_empty() => None,
            Some(length) => Some(Write::Append(new, length)),
            None if kept == 0 && self.length.is_none() => None,
            None => Some(Write::All(history.all().copied().collect())),
        }
    }
}

/// A write to the disk.
enum Write {
    Append(Vec<StateEvent>, u64),
    All(Vec<StateEvent>),
    /// Adds to events that were not read at the start.
    Merge(Vec<StateEvent>),
}

impl Write {
    fn run(self, store: &Store) -> Outcome {
        match self {
            Self::Append(events, length) => store.append_events(&events, length),
            Self::All(events) => store.save_events(&events),
            Self::Merge(new) => {
                let mut events = store.load_events().events;
                events.extend(new);
                store.save_events(&events)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seedwatch_clock::Unix;
    use seedwatch_core::verdict::{Reason, State};
    use seedwatch_torrent::InfoHash;

    fn death(n: u32, at: u64) -> StateEvent {
        let mut torrent = [0; 20];
        torrent[..4].copy_from_slice(&n.to_be_bytes());
        StateEvent {
            torrent: InfoHash(torrent),
            from: State::Alive,
            to: State::Dead,
            reason: Reason::Empty,
            at: Unix(at).into(),
        }
    }

    async fn write(store: &Arc<Store>, new: Vec<StateEvent>) {
        let mut writer = EventWriter::default();
        let before = writer.load(store).await;
        let history = EventHistory::of(before.all().chain(&new).copied());
        let deadline = Instant::now() + Duration::from_secs(60);
        writer.finish(store, new, &history, deadline).await;
    }

    #[tokio::test]
    async fn a_clock_that_is_years_ahead_or_behind_deletes_no_event() {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Store::at(folder.path()));
        store.prepare().unwrap();
        let now = 1_790_000_000;
        let mut all: Vec<_> = (0..4 * SPARE as u32).map(|n| death(n, now)).collect();
        write(&store, all.clone()).await;
        for (n, at) in [(1, 4 * now / 3), (2, 0), (3, now)] {
            write(&store, vec![death(n, at)]).await;
            all.push(death(n, at));
            assert_eq!(store.load_events().events, all, "{at}");
        }
        // A file that must be written again.
        let path = folder.path().join("events.state");
        let file = std::fs::read(&path).unwrap();
        std::fs::write(&path, &file[..file.len() - 1]).unwrap();
        all.pop();
        write(&store, vec![death(5, 2 * now)]).await;
        all.push(death(5, 2 * now));
        assert_eq!(store.load_events().events, all);
    }
}
