//! The read model: one immutable reading of everything that is shown, replaced whole.
//!
//! [`crate::swarm`] fills it. Readers (`metrics`, `web`) take an `Arc<Snapshot>` and never wait.
//! Consecutive snapshots share the blocks that did not change between them. A value that is
//! unknown or stale is absent, never 0.
//!
//! ```
//! use seedwatch_core::snapshot::{Count, Snapshot, Source};
//!
//! fn peers_from_trackers(snapshot: &Snapshot) -> u64 {
//!     let rows = snapshot.rows();
//!     let known = rows.filter_map(|view| view.source_peers[Source::Tracker].get());
//!     known.map(u64::from).sum()
//! }
//!
//! assert_eq!(Count::UNKNOWN.get(), None);
//! assert_eq!(peers_from_trackers(&Snapshot::default()), 0);
//! ```
//!
//! | File | Contents |
//! |---|---|
//! | `count` | counts and times that may be unknown |
//! | `torrent`, `block` | rows of torrents and announces, and how they are shared |
//! | `windows` | distinct peers over time |
//! | `changes` | torrents by state, now and before |
//! | `cause` | what several torrents suffer from |
//! | `geo` | countries and autonomous systems |
//! | `totals` | collections, and all torrents together |
//! | `tracker` | trackers, and why claimed peers do not count |
//! | `histogram` | durations and queries |
//! | `list` | torrent lists |
//! | `daemon` | DHT, scheduler, state directory, configuration |

mod block;
mod cause;
mod changes;
mod count;
mod daemon;
mod geo;
mod histogram;
mod list;
mod torrent;
mod totals;
mod tracker;
mod windows;

use std::collections::HashMap;
use std::sync::Arc;

use crate::events::EventHistory;
use crate::history::{DailyHistory, DatedSample, Day, DaySample, HistoryBlock, Runs};
use crate::verdict::State;

pub use crate::{PerSource, Source};
pub use block::Block;
pub use cause::Cause;
pub use changes::{ChangeKind, StateChanges, StateCounts, TorrentChange};
pub use count::{Count, UnixOption32};
pub use daemon::{ConfigRow, DhtRow, GeoRow, ScheduleRow, StateRow};
pub use geo::{AsnLabel, AsnSummary, CliffRows, CountryPeers, GeoBreakdown};
pub use histogram::{Bounds, Histogram};
pub use list::ListRow;
pub use seedwatch_clock::Unix;
pub use seedwatch_dht::DhtStatus;
pub use seedwatch_distinct::{Counts, Window};
pub use seedwatch_geo::{Country, Credit, Database};
pub use seedwatch_torrent::Family;
pub use seedwatch_torrent::{Privacy, Torrent};
pub use seedwatch_tracker::{FailureReason, Phases, ProbeError, Problem, Retry, TrackerId};
pub use torrent::{AnnounceRow, ExclusiveShare, TorrentRow, TorrentView};
pub use totals::{CollectionRow, CountryRow, TotalsRow};
pub use tracker::{Rejection, TrackerRow};
pub use windows::{ListedWindows, TorrentWindows, UniquePeers};
pub(crate) use windows::{UnknownWindows, where_known};

/// Everything that `/metrics`, the pages and the API show.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// When the snapshot was taken.
    pub taken: Unix,
    /// Torrents, sorted by name.
    pub torrents: Arc<[Torrent]>,
    /// The rows of the torrents, [`Block::SIZE`] per block.
    pub blocks: Vec<Arc<Block>>,
    /// The daily histories of the torrents before the current day, [`Block::SIZE`] per block.
    pub history: Vec<Arc<HistoryBlock>>,
    /// Collections, sorted by name.
    pub collections: Vec<Arc<CollectionRow>>,
    /// All torrents together.
    pub totals: TotalsRow,
    /// What several torrents suffer from, at most [`Cause::MAX`].
    pub causes: Vec<Cause>,
    /// Falls of countries and systems that hold now.
    pub cliffs: Arc<CliffRows>,
    /// The databases of countries and autonomous systems.
    pub geo: GeoRow,
    /// Trackers by [`TrackerId`]; `None` for trackers that left the configuration.
    pub trackers: Vec<Option<Arc<TrackerRow>>>,
    /// Whether our own network works, by [`Family::index`]; `None` while unknown.
    pub network_up: [Option<bool>; 2],
    /// Whether no name can be resolved while our network works.
    pub names_fail: bool,
    /// The state of the DHT nodes; `None` if the DHT is off.
    pub dht: Option<DhtRow>,
    /// Claimed peers that do not count, by [`Rejection::index`].
    pub peers_rejected: [u64; Rejection::ALL.len()],
    /// The load of the scheduler.
    pub schedule: ScheduleRow,
    /// Durations of probes.
    pub probe_durations: PerSource<Histogram>,
    /// The state of the configuration.
    pub config: ConfigRow,
    /// The latest events.
    pub events: Arc<EventHistory>,
    /// The progress of saving; `None` without a state directory.
    pub state: Option<StateRow>,
    /// Torrent lists, sorted by name.
    pub lists: Arc<[ListRow]>,
}

impl Snapshot {
    /// Returns the torrents with their values, sorted by name.
    pub fn rows(&self) -> impl Iterator<Item = TorrentView<'_>> {
        (0..self.torrents.len()).filter_map(|index| self.row(index))
    }

    /// Returns the same snapshot with other torrents, which must be sorted by name.
    pub fn with_torrents(
        self,
        torrents: impl IntoIterator<
            Item = (
                Torrent,
                TorrentRow,
                Vec<AnnounceRow>,
                Option<TorrentWindows>,
            ),
        >,
    ) -> Self {
        let mut names = Vec::new();
        let mut blocks = Vec::new();
        for (torrent, row, announces, windows) in torrents {
            if names.len() % Block::SIZE == 0 {
                blocks.push(Block::default());
            }
            names.push(torrent);
            if let Some(block) = blocks.last_mut() {
                block.push(row, announces, windows);
            }
        }
        Self {
            torrents: names.into(),
            blocks: blocks.into_iter().map(Arc::new).collect(),
            history: Vec::new(),
            cliffs: Arc::default(),
            ..self
        }
    }

    /// Returns the torrent at an index of [`Snapshot::torrents`].
    pub fn row(&self, index: usize) -> Option<TorrentView<'_>> {
        let torrent = self.torrents.get(index)?;
        let (row, announces, windows) = self
            .blocks
            .get(index / Block::SIZE)?
            .get(index % Block::SIZE)?;
        Some(TorrentView {
            torrent,
            row,
            announces,
            windows,
            history: self.daily_history(index, row.today),
        })
    }

    fn daily_history(&self, index: usize, today: DatedSample) -> DailyHistory<'_> {
        let block = self.history.get(index / Block::SIZE);
        let runs = block.map_or(&[][..], |block| block.get(index % Block::SIZE));
        DailyHistory::new(runs, today)
    }

    /// Returns the same snapshot with other daily histories, in the order of its torrents. For
    /// tests: the days of a history are in order.
    pub fn with_histories(self, histories: impl IntoIterator<Item = Vec<Day>>) -> Self {
        let runs = histories.into_iter().map(|days| {
            let mut runs = Runs::default();
            let samples = days.into_iter().map(|day| (day.date, DaySample::from(day)));
            samples.for_each(|(date, sample)| runs.insert(date, sample));
            runs
        });
        let runs: Vec<Runs> = runs.collect();
        let blocks = runs.chunks(Block::SIZE).map(|block| {
            let block = block.iter().map(Runs::as_slice);
            Arc::new(HistoryBlock::of(block))
        });
        Self {
            history: blocks.collect(),
            ..self
        }
    }

    /// Returns the breakdown of a swarm without peers.
    pub fn empty_breakdown(&self) -> GeoBreakdown {
        let [_, systems] = self.geo.built;
        GeoBreakdown {
            systems: systems.map(|_| AsnSummary::default()),
            ..GeoBreakdown::default()
        }
    }

    /// Returns where the peers of a torrent are, if the peers are known. A torrent without peers in
    /// the last month has no breakdown of its own and shares `empty`.
    pub fn breakdown<'a>(
        view: TorrentView<'a>,
        empty: &'a GeoBreakdown,
    ) -> Option<&'a GeoBreakdown> {
        match view.windows {
            Some(windows) => windows.geo.as_deref(),
            None => (view.peers != [Count::UNKNOWN; 2]).then_some(empty),
        }
    }

    /// Returns whether readers may know a torrent. An info-hash is all that it takes to join a
    /// swarm, and may be the name, so strangers learn of no private torrent.
    pub fn shows(&self, torrent: &Torrent) -> bool {
        !self.config.is_public || torrent.privacy == Privacy::Public
    }

    /// Returns the tracker of an announce row.
    pub fn tracker(&self, id: TrackerId) -> Option<&TrackerRow> {
        self.trackers.get(id.0 as usize)?.as_deref()
    }

    /// Returns the number of torrents by [`State::index`].
    pub fn torrents_by_state(&self) -> [u32; State::ALL.len()] {
        let mut numbers = [0; State::ALL.len()];
        for view in self.rows() {
            numbers[view.verdict.state.index()] += 1;
        }
        numbers
    }

    /// Returns the number of torrents of each collection, by [`State::index`].
    pub fn collections_by_state(&self) -> HashMap<&str, [u32; State::ALL.len()]> {
        let mut collections: HashMap<&str, [u32; State::ALL.len()]> = HashMap::new();
        for view in self.rows() {
            if let Some(name) = view.torrent.collection() {
                collections.entry(name).or_default()[view.verdict.state.index()] += 1;
            }
        }
        collections
    }

    /// Returns the known sizes of the torrents of each collection in bytes, by [`State::index`].
    /// A collection of which no size is known has no entry.
    pub fn collection_bytes_by_state(&self) -> HashMap<&str, [u64; State::ALL.len()]> {
        let mut collections: HashMap<&str, [u64; State::ALL.len()]> = HashMap::new();
        for view in self.rows() {
            if let (Some(name), Some(size)) = (view.torrent.collection(), view.torrent.size) {
                let bytes = &mut collections.entry(name).or_default()[view.verdict.state.index()];
                *bytes = bytes.saturating_add(size.get());
            }
        }
        collections
    }

    /// Returns the sources that are in use.
    pub fn sources(&self) -> impl Iterator<Item = Source> {
        Source::ALL.into_iter().filter(|source| match source {
            Source::Dht => self.dht.is_some(),
            Source::Tracker => true,
        })
    }
}

impl Default for Snapshot {
    /// Returns the snapshot of a daemon that watches nothing yet.
    fn default() -> Self {
        Self {
            taken: Unix::default(),
            torrents: Arc::from([]),
            blocks: Vec::new(),
            history: Vec::new(),
            collections: Vec::new(),
            totals: TotalsRow::default(),
            causes: Vec::new(),
            cliffs: Arc::default(),
            geo: GeoRow::default(),
            trackers: Vec::new(),
            network_up: [None; 2],
            names_fail: false,
            dht: None,
            peers_rejected: [0; Rejection::ALL.len()],
            schedule: ScheduleRow::default(),
            probe_durations: PerSource::default(),
            config: ConfigRow::default(),
            events: Arc::default(),
            state: None,
            lists: Arc::from([]),
        }
    }
}
