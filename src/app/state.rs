//! The state that survives a restart: restored at the start, saved in passes, and once at the end.
//!
//! A save pass saves every section once; a pass begins with each interval. Torrents and collections
//! are written in shards, one after the other over much of the interval. No shard delays the main
//! loop for long, only one of them is in memory, and the disk sees a trickle of writes. The main
//! loop encodes, because it owns the [`Engine`]; a task beside it writes.
//!
//! | Section | Contents |
//! |---|---|
//! | `key` | the key that peers are hashed with |
//! | `dht` | DHT nodes |
//! | `trackers` | health and intervals of trackers |
//! | `events` | events, written within a second |
//! | `torrents-N-n` | shard n of N: peers, last successes and daily histories of torrents |
//! | `shared-N-n` | shard n of N: peers of collections and of all torrents |
//! | `lists-NAME-SOURCE` | the last good copy of a list (see [`crate::app::lists`]) |
//! | `cliffs-N-n` | shard n of N: peers by country of the last two days, and falls |
//!
//! The daemon runs on whatever happens to the directory. No call waits for a disk that hangs:
//!
//! - A section that is not read within [`DISK_TIMEOUT`] at the start counts as unknown.
//! - A save step that hangs delays only the other save steps.
//! - The shutdown does not wait beyond its deadline.

mod event_writer;
mod found_shards;
mod ports;
mod restore;
mod save_errors;
mod save_pass;

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{timeout, timeout_at};
use tracing::{debug, info, warn};

use crate::config;
use crate::store::{Store, StoreError};
use event_writer::EventWriter;
use restore::Opened;
use save_errors::SaveErrorLog;
use save_pass::{Group, SavePass, SaveStep, Shardings};
use seedwatch_clock::Now;
use seedwatch_core::Engine;
use seedwatch_core::events::EventHistory;
use seedwatch_core::snapshot::StateRow;
use seedwatch_core::swarm::Shard;
use seedwatch_dht::Contact;
use seedwatch_distinct::Key;
use seedwatch_input::file;

/// Name and version of the section of trackers.
const TRACKERS: (&str, u16) = ("trackers", 2);

/// Longest time that one call to the disk may take. Reading the largest shard takes a second or
/// two.
const DISK_TIMEOUT: Duration = Duration::from_secs(10);

/// Makes a call to the disk. Returns `None` if the disk does not answer within [`DISK_TIMEOUT`].
pub(super) fn call_disk<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    file::within("state", DISK_TIMEOUT, call).ok()
}

/// A save step that takes longer is logged.
const SLOW: Duration = Duration::from_secs(30);

/// DHT nodes, once the prober has listed them.
pub(super) type NodesFuture = Pin<Box<dyn Future<Output = Vec<Contact>> + Send>>;

/// The outcome of a save step: bytes of its payload.
pub(super) type SaveOutcome = Result<u64, StoreError>;

/// Restores the state and writes it, one save step at a time.
pub(super) struct StateWriter {
    /// `None` if `state.path` is empty.
    store: Option<Arc<Store>>,
    key: Key,
    interval: Duration,
    pass: Option<SavePass>,
    /// When the next save step is due, unless one is being written.
    next: Instant,
    /// The task of the current save step.
    writing: Option<JoinHandle<()>>,
    outcomes: mpsc::Sender<SaveOutcome>,
    shardings: Shardings,
    row: StateRow,
    errors: SaveErrorLog,
    events: EventWriter,
    /// Whether the disk did not answer at the start.
    hangs: bool,
    /// Whether the key is lost, and with it everything that was hashed with it.
    key_is_lost: bool,
}

/// A call to the disk.
enum DiskTask {
    /// Checks that the directory is there and that its key is this one.
    Claim(Key),
    SaveNodes(Vec<Contact>),
    /// Saves a payload under a section and a version.
    Save(String, u16, Vec<u8>),
    /// Removes shards that were written in another number of shards.
    RemoveOldShards(Shardings),
}

impl StateWriter {
    /// Opens the state directory. If it has no key yet, `fresh` becomes its key.
    ///
    /// # Errors
    /// [`StoreError::InUse`]. The daemon can run with any other fault of the directory.
    pub(super) async fn open(
        config: &config::State,
        fresh: Key,
        outcomes: mpsc::Sender<SaveOutcome>,
    ) -> Result<Self, StoreError> {
        let mut writer = Self {
            store: config.path.as_deref().map(Store::at).map(Arc::new),
            key: fresh,
            interval: config.interval,
            pass: None,
            next: Instant::now() + config.interval,
            writing: None,
            outcomes,
            shardings: Shardings::default(),
            row: StateRow::default(),
            errors: SaveErrorLog::default(),
            events: EventWriter::default(),
            hangs: false,
            key_is_lost: false,
        };
        let Some(store) = writer.store.clone() else {
            info!("no state is kept over a restart: state.path is empty");
            return Ok(writer);
        };
        let (fresh, hangs) = (writer.key.clone(), store.hangs());
        let open = move || call_disk(move || restore::key(&store, fresh));
        let opened = tokio::task::spawn_blocking(open);
        let Some(opened) = opened.await.unwrap_or_else(resume) else {
            writer.hangs = true;
            writer.fail(&hangs);
            return Ok(writer);
        };
        let Opened {
            key,
            error,
            key_is_lost,
        } = opened?;
        writer.key = key;
        writer.key_is_lost = key_is_lost;
        if let Some(error) = error {
            writer.fail(&error);
        }
        Ok(writer)
    }

    /// Returns the key that peers are hashed with.
    pub(super) fn key(&self) -> Key {
        self.key.clone()
    }

    /// Returns the directory, for copies of lists; `None` if no state is kept, or if the disk did
    /// not answer.
    pub(super) fn store(&self) -> Option<Arc<Store>> {
        self.store.clone().filter(|_| !self.hangs)
    }

    /// Restores the state into an engine that has no configuration yet.
    pub(super) async fn restore(&mut self, mut engine: Engine, now: Now) -> Engine {
        let Some(store) = self.store.clone() else {
            return engine;
        };
        if self.hangs {
            engine.mark_lost(now.unix, Shard { index: 0, of: 1 });
            return engine;
        }
        let key_is_lost = self.key_is_lost;
        let restored = tokio::task::spawn_blocking(move || {
            let shardings = restore::engine(&store, &mut engine, key_is_lost, now);
            (engine, shardings)
        });
        let (mut engine, shardings) = restored.await.unwrap_or_else(resume);
        self.shardings = shardings;
        if let Some(store) = &self.store {
            engine.restore_events(self.events.load(store).await);
        }
        engine
    }

    /// Loads the DHT nodes that were saved last.
    pub(super) async fn table(&self) -> Vec<Contact> {
        let Some(store) = self.store.clone().filter(|_| !self.hangs) else {
            return Vec::new();
        };
        let hangs = store.hangs();
        let load = move || call_disk(move || store.load_table());
        let loaded = tokio::task::spawn_blocking(load);
        let loaded = loaded.await.unwrap_or_else(resume);
        let (table, error) = loaded.unwrap_or_else(|| (Vec::new(), Some(hangs)));
        if let Some(error) = error {
            warn!(%error, "no saved DHT nodes: the DHT bootstraps again");
        }
        debug!(nodes = table.len(), "DHT nodes restored");
        table
    }

    /// Saves the nodes of a DHT prober that has ended, without waiting for the disk.
    pub(super) fn save_table(&self, table: Vec<Contact>) {
        if let Some(store) = self.store.clone() {
            tokio::spawn(async move {
                if let Err(error) = write(store, DiskTask::SaveNodes(table)).await {
                    warn!(%error, "the DHT nodes are not saved");
                }
            });
        }
    }

    /// Begins to save new events. `history` holds all of them.
    pub(super) fn save_events(&mut self, engine: &mut Engine, history: &EventHistory) {
        let new = engine.take_state_events();
        if let Some(store) = &self.store {
            self.events.write(store, new, history);
        }
    }

    /// Returns the metrics of saving; `None` if no state is kept.
    pub(super) fn row(&self) -> Option<StateRow> {
        self.store.is_some().then_some(self.row)
    }

    /// Applies a new interval.
    pub(super) fn configure(&mut self, config: &config::State) {
        if self.interval != config.interval {
            self.interval = config.interval;
            self.next = self.next.min(Instant::now() + config.interval);
        }
    }

    /// Returns when [`StateWriter::step`] is due; `None` while a step is being written.
    pub(super) fn due(&self) -> Option<Instant> {
        (self.store.is_some() && self.writing.is_none()).then_some(self.next)
    }

    /// Begins the next save step. Its outcome arrives on the channel, and the caller passes it to
    /// [`StateWriter::wrote`].
    pub(super) fn step(
        &mut self,
        engine: &mut Engine,
        table: impl FnOnce() -> NodesFuture,
        now: Now,
    ) {
        let Some(store) = self.store.clone() else {
            return;
        };
        let began = Instant::now();
        let pass = match &mut self.pass {
            Some(pass) => pass,
            None => {
                fit(&mut self.shardings, engine);
                self.pass
                    .insert(SavePass::new(self.shardings, began, now.unix))
            }
        };
        let Some(step) = pass.next() else {
            return;
        };
        let gap = pass.gap(self.interval);
        let task: Pin<Box<dyn Future<Output = DiskTask> + Send>> = match step {
            SaveStep::Nodes => {
                let table = table();
                Box::pin(async { DiskTask::SaveNodes(table.await) })
            }
            step => Box::pin(std::future::ready(self.disk_task(step, engine, now))),
        };
        debug!(?step, took = ?began.elapsed(), "saving");
        self.next = began + gap;
        let outcomes = self.outcomes.clone();
        self.writing = Some(tokio::spawn(async move {
            let hangs = store.hangs();
            let mut writing = std::pin::pin!(write(store, task.await));
            let outcome = match timeout(SLOW, &mut writing).await {
                Ok(outcome) => outcome,
                Err(_) => {
                    warn!(error = %hangs, "saving the state waits for the disk");
                    writing.await
                }
            };
            let _ = outcomes.send(outcome).await;
        }));
    }

    /// Records the outcome of the current save step.
    pub(super) fn wrote(&mut self, outcome: SaveOutcome) {
        self.writing = None;
        let Some(mut pass) = self.pass.take() else {
            return;
        };
        pass.record(outcome);
        if !pass.is_over() {
            self.pass = Some(pass);
            return;
        }
        self.next = (pass.started + self.interval).max(Instant::now());
        self.end_pass(pass);
    }

    /// Saves everything that can be saved before `deadline`. Other sections stay as they were last
    /// saved.
    pub(super) async fn finish(
        &mut self,
        engine: &mut Engine,
        table: Vec<Contact>,
        now: Now,
        deadline: Instant,
    ) {
        let Some(store) = self.store.clone() else {
            return;
        };
        let (new, history) = (engine.take_state_events(), engine.event_history());
        let writing = self.events.finish(&store, new, &history, deadline);
        writing.await;
        let deadline = deadline.into();
        let late = "the state is saved in part only: the disk did not answer in time";
        // An earlier write must not end after the writes below.
        if let Some(writing) = self.writing.take()
            && timeout_at(deadline, writing).await.is_err()
        {
            warn!("{late}");
            return;
        }
        fit(&mut self.shardings, engine);
        let mut pass = SavePass::new(self.shardings, Instant::now(), now.unix);
        let mut table = Some(table);
        while let Some(step) = pass.next() {
            let task = match step {
                SaveStep::Nodes => DiskTask::SaveNodes(table.take().unwrap_or_default()),
                step => self.disk_task(step, engine, now),
            };
            let writing = write(Arc::clone(&store), task);
            let Ok(outcome) = timeout_at(deadline, writing).await else {
                warn!("{late}");
                return;
            };
            pass.record(outcome);
        }
        self.end_pass(pass);
    }

    /// Encodes what a save step writes.
    fn disk_task(&self, step: SaveStep, engine: &mut Engine, now: Now) -> DiskTask {
        let mut payload = Vec::new();
        let (name, version) = match step {
            SaveStep::Claim => return DiskTask::Claim(self.key.clone()),
            SaveStep::Nodes => return DiskTask::SaveNodes(Vec::new()),
            SaveStep::RemoveOldShards => return DiskTask::RemoveOldShards(self.shardings),
            SaveStep::Trackers => {
                engine.encode_trackers(now, &mut payload);
                (TRACKERS.0.to_owned(), TRACKERS.1)
            }
            SaveStep::Shard(group, shard) => {
                match group {
                    Group::Torrents => engine.encode_torrents(shard, &mut payload),
                    Group::Shared => engine.encode_shared(shard, &mut payload),
                    Group::Cliffs => engine.encode_cliffs(shard, &mut payload),
                }
                (group.section(shard), group.version())
            }
        };
        DiskTask::Save(name, version, payload)
    }

    fn end_pass(&mut self, pass: SavePass) {
        match pass.finish() {
            Ok((began, shardings)) => {
                self.shardings = shardings;
                self.row.last_save = Some(began);
                self.errors.recovered();
                debug!(?shardings, "state saved");
            }
            Err(error) => self.fail(&error),
        }
    }

    fn fail(&mut self, error: &StoreError) {
        self.row.failures += 1;
        self.errors.failed(error);
    }
}

/// Adapts the numbers of shards to what the engine holds now.
fn fit(shardings: &mut Shardings, engine: &Engine) {
    let [torrents, shared, cliffs] = shardings;
    torrents.fit(engine.saved_torrents());
    shared.fit(engine.saved_collections());
    cliffs.fit(engine.saved_cliffs());
}

/// Makes a call to the disk on a thread that may block.
async fn write(store: Arc<Store>, task: DiskTask) -> SaveOutcome {
    let outcome = tokio::task::spawn_blocking(move || match task {
        DiskTask::Claim(key) => {
            store.prepare()?;
            store.claim(&key)?;
            Ok(0)
        }
        // An empty table must not replace the one that was saved before.
        DiskTask::SaveNodes(table) if table.is_empty() => Ok(0),
        DiskTask::SaveNodes(table) => store.save_table(&table).map(|()| 0),
        DiskTask::Save(section, version, payload) => {
            store.save(&section, version, &payload)?;
            Ok(payload.len() as u64)
        }
        DiskTask::RemoveOldShards(shardings) => {
            let sections = store.sections()?;
            let is_old = |section: &&String| {
                Group::of(section).is_some_and(|(group, of)| of != shardings[group.index()].shards)
            };
            for section in sections.iter().filter(is_old) {
                store.remove(section)?;
            }
            Ok(0)
        }
    });
    outcome.await.unwrap_or_else(resume)
}

/// Resumes the panic of a task in its caller.
fn resume<T>(failed: tokio::task::JoinError) -> T {
    std::panic::resume_unwind(failed.into_panic())
}

#[cfg(test)]
mod tests;
