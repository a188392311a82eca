//! What must survive a restart: restored at the start, saved in rounds, and once more at the end.
//!
//! A round saves every section once and begins anew with each interval. What is known of torrents and
//! collections is written in parts, one after the other over much of the interval: no part holds up the main loop for
//! long, memory for one of them is all it takes, and the disk sees a trickle. Encoding happens where
//! the [`Engine`] is, writing in a task beside it.
//!
//! | Section | What is kept |
//! |---|---|
//! | `key` | what peers are hashed with |
//! | `dht` | nodes |
//! | `trackers` | who was down, who asked for what |
//! | `torrents-N-n` | part n of N: who was seen when, when a torrent was last well |
//! | `fleet-N-n` | what torrents share: peers of collections and of all |
//!
//! Whatever is wrong with the directory, the daemon runs on. No call waits for a disk that hangs:
//!
//! - What cannot be read at the start within [`PATIENCE`] is unknown.
//! - A piece that is not written holds up the other pieces only.
//! - The shutdown does not wait beyond its deadline.

mod parts;
mod restore;
mod round;
mod trouble;

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{timeout, timeout_at};
use tracing::{debug, info, warn};

use crate::config;
use crate::store::{Store, StoreError};
use restore::Opened;
use round::{Group, Piece, Round, Splits};
use seedwatch_clock::Now;
use seedwatch_core::Engine;
use seedwatch_core::snapshot::StateRow;
use seedwatch_core::swarm::Shard;
use seedwatch_dht::Contact;
use seedwatch_distinct::{Format, Key};
use seedwatch_input::file;
use trouble::Trouble;

/// Versions of the sections.
const TRACKERS: (&str, u16) = ("trackers", 1);
/// Of all sections that are written in parts.
const PARTS: u16 = 2;

/// How peers are written in a section of a version.
fn layout(version: u16) -> Format {
    match version {
        ..PARTS => Format::V1,
        _ => Format::V3,
    }
}

/// Longest time that one call to the disk may take: the largest part is read within a second or two.
const PATIENCE: Duration = Duration::from_secs(10);

/// Makes a call to the disk. `None`: the disk does not answer within [`PATIENCE`].
fn in_time<T: Send + 'static>(call: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    file::within("state", PATIENCE, call).ok()
}

/// A piece that takes longer to write is worth a line.
const SLOW: Duration = Duration::from_secs(30);

/// The nodes of the DHT, when they are there.
pub(super) type Table = Pin<Box<dyn Future<Output = Vec<Contact>> + Send>>;

/// What became of a piece: bytes of its payload.
pub(super) type Written = Result<u64, StoreError>;

/// Keeps what must survive.
pub(super) struct StateWriter {
    /// `None`: nothing is kept.
    store: Option<Arc<Store>>,
    key: Key,
    interval: Duration,
    round: Option<Round>,
    /// When there is something to do, unless a piece is being written.
    next: Instant,
    /// The piece that is being written.
    writing: Option<JoinHandle<()>>,
    written: mpsc::Sender<Written>,
    splits: Splits,
    row: StateRow,
    trouble: Trouble,
    /// The disk did not answer at the start.
    hangs: bool,
    /// What was saved before is of no use without its key.
    is_lost: bool,
}

/// Something for the disk.
enum Job {
    Claim(Key),
    Table(Vec<Contact>),
    Save(String, u16, Vec<u8>),
    /// Removes what was written in another number of parts.
    Tidy(Splits),
}

impl StateWriter {
    /// Opens the state directory. A key that is not there yet is `fresh`.
    ///
    /// # Errors
    /// [`StoreError::InUse`]. With anything else that is wrong with it the daemon can live.
    pub(super) async fn open(
        config: &config::State,
        fresh: Key,
        written: mpsc::Sender<Written>,
    ) -> Result<Self, StoreError> {
        let mut state_writer = Self {
            store: config.path.as_deref().map(Store::at).map(Arc::new),
            key: fresh,
            interval: config.interval,
            round: None,
            next: Instant::now() + config.interval,
            writing: None,
            written,
            splits: Splits::default(),
            row: StateRow::default(),
            trouble: Trouble::default(),
            hangs: false,
            is_lost: false,
        };
        let Some(store) = state_writer.store.clone() else {
            info!("nothing is kept over a restart: state.path is empty");
            return Ok(state_writer);
        };
        let (fresh, hangs) = (state_writer.key.clone(), store.hangs());
        let open = move || in_time(move || restore::key(&store, fresh));
        let opened = tokio::task::spawn_blocking(open);
        let Some(opened) = opened.await.unwrap_or_else(resume) else {
            state_writer.hangs = true;
            state_writer.fail(&hangs);
            return Ok(state_writer);
        };
        let Opened {
            key,
            trouble,
            is_lost,
        } = opened?;
        state_writer.key = key;
        state_writer.is_lost = is_lost;
        if let Some(error) = trouble {
            state_writer.fail(&error);
        }
        Ok(state_writer)
    }

    /// What peers are hashed with.
    pub(super) fn key(&self) -> Key {
        self.key.clone()
    }

    /// Fills a core that knows of no torrents yet.
    pub(super) async fn restore(&mut self, mut core: Engine, now: Now) -> Engine {
        let Some(store) = self.store.clone() else {
            return core;
        };
        if self.hangs {
            core.lose(now.unix, Shard { index: 0, of: 1 });
            return core;
        }
        let is_lost = self.is_lost;
        let restored = tokio::task::spawn_blocking(move || {
            let splits = restore::core(&store, &mut core, is_lost, now);
            (core, splits)
        });
        let (core, splits) = restored.await.unwrap_or_else(resume);
        self.splits = splits;
        core
    }

    /// The nodes of the DHT that were saved last.
    pub(super) async fn table(&self) -> Vec<Contact> {
        let Some(store) = self.store.clone().filter(|_| !self.hangs) else {
            return Vec::new();
        };
        let hangs = store.hangs();
        let load = move || in_time(move || store.load_table());
        let loaded = tokio::task::spawn_blocking(load);
        let loaded = loaded.await.unwrap_or_else(resume);
        let (table, error) = loaded.unwrap_or_else(|| (Vec::new(), Some(hangs)));
        if let Some(error) = error {
            warn!(%error, "the nodes of the DHT are looked for anew");
        }
        debug!(nodes = table.len(), "nodes of the DHT restored");
        table
    }

    /// Saves the nodes of a prober that has ended, without waiting for the disk.
    pub(super) fn save_table(&self, table: Vec<Contact>) {
        if let Some(store) = self.store.clone() {
            tokio::spawn(async move {
                if let Err(error) = write(store, Job::Table(table)).await {
                    warn!(%error, "the nodes of the DHT are not saved");
                }
            });
        }
    }

    /// How saving fares; `None` where nothing is kept.
    pub(super) fn row(&self) -> Option<StateRow> {
        self.store.is_some().then_some(self.row)
    }

    /// Takes over another interval.
    pub(super) fn configure(&mut self, config: &config::State) {
        if self.interval != config.interval {
            self.interval = config.interval;
            self.next = self.next.min(Instant::now() + config.interval);
        }
    }

    /// When [`StateWriter::step`] has something to do.
    pub(super) fn due(&self) -> Option<Instant> {
        (self.store.is_some() && self.writing.is_none()).then_some(self.next)
    }

    /// Begins to save the next piece. What becomes of it comes out of the channel, and is to be
    /// handed to [`StateWriter::wrote`].
    pub(super) fn step(&mut self, core: &mut Engine, table: impl FnOnce() -> Table, now: Now) {
        let Some(store) = self.store.clone() else {
            return;
        };
        let began = Instant::now();
        let round = match &mut self.round {
            Some(round) => round,
            None => {
                fit(&mut self.splits, core);
                self.round.insert(Round::new(self.splits, began, now.unix))
            }
        };
        let Some(piece) = round.next() else {
            return;
        };
        let gap = round.gap(self.interval);
        let job: Pin<Box<dyn Future<Output = Job> + Send>> = match piece {
            Piece::Table => {
                let table = table();
                Box::pin(async { Job::Table(table.await) })
            }
            piece => Box::pin(std::future::ready(self.job(piece, core, now))),
        };
        debug!(?piece, took = ?began.elapsed(), "saving");
        self.next = began + gap;
        let written = self.written.clone();
        self.writing = Some(tokio::spawn(async move {
            let hangs = store.hangs();
            let mut writing = std::pin::pin!(write(store, job.await));
            let outcome = match timeout(SLOW, &mut writing).await {
                Ok(outcome) => outcome,
                Err(_) => {
                    warn!(error = %hangs, "the state is not saved for now");
                    writing.await
                }
            };
            let _ = written.send(outcome).await;
        }));
    }

    /// Books what became of a piece.
    pub(super) fn wrote(&mut self, outcome: Written) {
        self.writing = None;
        let Some(mut round) = self.round.take() else {
            return;
        };
        round.book(outcome);
        if !round.is_over() {
            self.round = Some(round);
            return;
        }
        self.next = (round.started + self.interval).max(Instant::now());
        self.end(round);
    }

    /// Saves everything, now, as far as that is done before `deadline`. What is not is as it was
    /// saved last.
    pub(super) async fn finish(
        &mut self,
        core: &mut Engine,
        table: Vec<Contact>,
        now: Now,
        deadline: Instant,
    ) {
        let Some(store) = self.store.clone() else {
            return;
        };
        let deadline = deadline.into();
        let late = "the state is not saved whole: the disk did not answer in time";
        // What is being written must not come after what we write now.
        if let Some(writing) = self.writing.take()
            && timeout_at(deadline, writing).await.is_err()
        {
            warn!("{late}");
            return;
        }
        fit(&mut self.splits, core);
        let mut round = Round::new(self.splits, Instant::now(), now.unix);
        let mut table = Some(table);
        while let Some(piece) = round.next() {
            let job = match piece {
                Piece::Table => Job::Table(table.take().unwrap_or_default()),
                piece => self.job(piece, core, now),
            };
            let writing = write(Arc::clone(&store), job);
            let Ok(outcome) = timeout_at(deadline, writing).await else {
                warn!("{late}");
                return;
            };
            round.book(outcome);
        }
        self.end(round);
    }

    fn job(&self, piece: Piece, core: &mut Engine, now: Now) -> Job {
        let mut payload = Vec::new();
        let (name, version) = match piece {
            Piece::Claim => return Job::Claim(self.key.clone()),
            Piece::Table => return Job::Table(Vec::new()),
            Piece::Tidy => return Job::Tidy(self.splits),
            Piece::Trackers => {
                core.encode_trackers(now, &mut payload);
                (TRACKERS.0.to_owned(), TRACKERS.1)
            }
            Piece::Shard(group, part) => {
                match group {
                    Group::Torrents => core.encode_torrents(part, &mut payload),
                    Group::Fleet => core.encode_shared(part, &mut payload),
                }
                (group.section(part), PARTS)
            }
        };
        Job::Save(name, version, payload)
    }

    fn end(&mut self, round: Round) {
        match round.finish() {
            Ok((began, splits)) => {
                self.splits = splits;
                self.row.last_save = Some(began);
                self.trouble.is_over();
                debug!(?splits, "state saved");
            }
            Err(error) => self.fail(&error),
        }
    }

    fn fail(&mut self, error: &StoreError) {
        self.row.failures += 1;
        self.trouble.is(error);
    }
}

/// As many parts as what there is now calls for.
fn fit(splits: &mut Splits, core: &Engine) {
    let [torrents, fleet] = splits;
    torrents.fit(core.remembered());
    fleet.fit(core.collections_remembered());
}

/// Writes where that holds nobody up.
async fn write(store: Arc<Store>, job: Job) -> Written {
    let written = tokio::task::spawn_blocking(move || match job {
        Job::Claim(key) => {
            store.prepare()?;
            store.claim(&key)?;
            Ok(0)
        }
        // One that is empty is not worth the one before.
        Job::Table(table) if table.is_empty() => Ok(0),
        Job::Table(table) => store.save_table(&table).map(|()| 0),
        Job::Save(section, version, payload) => {
            store.save(&section, version, &payload)?;
            Ok(payload.len() as u64)
        }
        Job::Tidy(splits) => {
            let sections = store.sections()?;
            let other = |section: &&String| {
                Group::of(section).is_some_and(|(group, of)| of != splits[group.index()].parts)
            };
            for section in sections.iter().filter(other) {
                store.remove(section)?;
            }
            Ok(0)
        }
    });
    written.await.unwrap_or_else(resume)
}

/// A bug of ours in a task is one here.
fn resume<T>(failed: tokio::task::JoinError) -> T {
    std::panic::resume_unwind(failed.into_panic())
}

#[cfg(test)]
mod tests;
