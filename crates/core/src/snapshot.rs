//! One immutable picture of everything that is shown, swapped in whole.
//!
//! Readers (`metrics`, `web`) take an `Arc<Snapshot>` and never wait for anybody. Pictures share
//! the blocks that did not change between them.

use std::sync::Arc;
use std::time::Duration;

pub use crate::Source;
pub use crate::swarm::{
    AnnounceRow, Block, Bounds, CollectionRow, Count, CountryPeers, CountryRow, FleetRow,
    Histogram, Listed, Places, Reach, Rejection, Stamp, System, Systems, TorrentRow, TorrentView,
    TrackerRow, Unique,
};
pub use seedwatch_clock::Unix;
pub use seedwatch_dht::DhtStatus;
pub use seedwatch_distinct::{Counts, Window};
pub use seedwatch_geo::{Country, Credit, Database};
pub use seedwatch_torrent::Family;
pub use seedwatch_torrent::{Privacy, Torrent};
pub use seedwatch_tracker::{FailureReason, Phases, ProbeError, Remark, Retry, TrackerId};

/// Everything that `/metrics` and the API show.
#[derive(Debug, Clone)]
pub struct Snapshot {
    /// When it was taken.
    pub taken: Unix,
    /// Torrents, sorted by name.
    pub torrents: Arc<[Torrent]>,
    /// Their rows, [`Block::SIZE`] torrents a block.
    pub blocks: Vec<Arc<Block>>,
    /// Collections, sorted by name.
    pub collections: Vec<Arc<CollectionRow>>,
    /// All torrents together.
    pub fleet: FleetRow,
    /// Where the places of addresses come from.
    pub geo: GeoRow,
    /// Trackers by [`TrackerId`]; ids of trackers gone from the configuration are holes.
    pub trackers: Vec<Option<Arc<TrackerRow>>>,
    /// Whether our own network works, by [`Family::index`]; `None` = not known yet.
    pub network_up: [Option<bool>; 2],
    /// How the DHT fares; `None` where it is not asked.
    pub dht: Option<DhtRow>,
    /// Peers thrown away, by [`Rejection::index`].
    pub peers_rejected: [u64; 4],
    /// The scheduler's own health.
    pub schedule: ScheduleRow,
    /// Durations of probes, by [`Source::index`].
    pub probe_durations: [Histogram; Source::ALL.len()],
    /// State of the configuration.
    pub config: ConfigRow,
    /// How saving fares; `None` where nothing is kept.
    pub state: Option<StateRow>,
}

impl Snapshot {
    /// Torrents with what is shown of them, sorted by name.
    pub fn rows(&self) -> impl Iterator<Item = TorrentView<'_>> {
        (0..self.torrents.len()).filter_map(|place| self.row(place))
    }

    /// The same picture of other torrents, sorted by name.
    pub fn with_torrents(
        self,
        torrents: impl IntoIterator<Item = (Torrent, TorrentRow, Vec<AnnounceRow>, Option<Reach>)>,
    ) -> Self {
        let mut names = Vec::new();
        let mut blocks = Vec::new();
        for (torrent, row, announces, reach) in torrents {
            if names.len() % Block::SIZE == 0 {
                blocks.push(Block::default());
            }
            names.push(torrent);
            if let Some(block) = blocks.last_mut() {
                block.push(row, announces, reach);
            }
        }
        Self {
            torrents: names.into(),
            blocks: blocks.into_iter().map(Arc::new).collect(),
            ..self
        }
    }

    /// The torrent at a place of [`Snapshot::torrents`].
    pub fn row(&self, place: usize) -> Option<TorrentView<'_>> {
        let torrent = self.torrents.get(place)?;
        let (row, announces, reach) = self
            .blocks
            .get(place / Block::SIZE)?
            .get(place % Block::SIZE)?;
        Some(TorrentView {
            torrent,
            row,
            announces,
            reach,
        })
    }

    /// The places of a swarm without peers.
    pub fn nobody(&self) -> Places {
        let [_, systems] = self.geo.built;
        Places {
            systems: systems.map(|_| Systems::default()),
            ..Places::default()
        }
    }

    /// Where the peers of a torrent are, if that is known. A torrent that had no peers for a month
    /// and has none now keeps nothing of its own: it is where `nobody` is.
    pub fn places<'a>(view: TorrentView<'a>, nobody: &'a Places) -> Option<&'a Places> {
        match view.reach {
            Some(reach) => reach.places.as_deref(),
            None => (view.peers != [Count::UNKNOWN; 2]).then_some(nobody),
        }
    }

    /// The tracker an announce row points at.
    pub fn tracker(&self, id: TrackerId) -> Option<&TrackerRow> {
        self.trackers.get(id.0 as usize)?.as_deref()
    }
}

impl Default for Snapshot {
    /// Nothing watched yet.
    fn default() -> Self {
        Self {
            taken: Unix::default(),
            torrents: Arc::from([]),
            blocks: Vec::new(),
            collections: Vec::new(),
            fleet: FleetRow::default(),
            geo: GeoRow::default(),
            trackers: Vec::new(),
            network_up: [None; 2],
            dht: None,
            peers_rejected: [0; 4],
            schedule: ScheduleRow::default(),
            probe_durations: Default::default(),
            config: ConfigRow::default(),
            state: None,
        }
    }
}

/// The databases of places.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GeoRow {
    /// When each was built, those of [`Database::ALL`]; `None` where there is none.
    pub built: [Option<Unix>; 2],
    /// What pages that show countries must say.
    pub credit: Option<Credit>,
}

/// How the DHT fares.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct DhtRow {
    /// By [`Family::index`]; `None` where there is no socket. Without our own addresses.
    pub families: [Option<DhtStatus>; 2],
    /// Durations of lookups.
    pub durations: Histogram,
    /// Queries that lookups took.
    pub queries: Histogram,
}

/// The scheduler's own health.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScheduleRow {
    /// Probes past due that nothing but our own load holds back.
    pub overdue: u64,
    /// Lateness of the most overdue of them.
    pub lag: Duration,
    /// Probes under way, by [`Source::index`].
    pub in_flight: [u64; Source::ALL.len()],
}

/// How saving what must survive a restart fares.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StateRow {
    /// When the last round of this process that saved everything began: all that was known then is
    /// on the disk.
    pub last_save: Option<Unix>,
    /// Rounds that did not save everything.
    pub failures: u64,
}

/// State of the configuration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ConfigRow {
    /// Whether the last reload (or the start) worked.
    pub last_reload_successful: bool,
    /// When it last worked.
    pub last_reload_success: Unix,
    /// `metrics.per_tracker`.
    pub per_tracker: bool,
    /// `metrics.countries`.
    pub countries: bool,
}
