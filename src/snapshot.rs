//! One immutable picture of everything that is shown, swapped in whole.
//!
//! Readers (`metrics`, `web`) take an `Arc<Snapshot>` and never wait for anybody. Rows are shared
//! with the state they were made from: a new picture costs a pointer a torrent.

use std::sync::Arc;
use std::time::Duration;

pub use crate::observation::{Failed, Failure, Family, Phases, Source, TrackerId};
pub use crate::swarm::{AnnounceRow, Histogram, Rejection, TorrentRow, TrackerRow};
pub use crate::time::Unix;
pub use crate::torrent::{Privacy, Torrent};

/// Everything that `/metrics` and the API show.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// When it was taken.
    pub taken: Unix,
    /// Torrents, sorted by name.
    pub torrents: Vec<Arc<TorrentRow>>,
    /// Trackers by [`TrackerId`]; ids of trackers gone from the configuration are holes.
    pub trackers: Vec<Option<Arc<TrackerRow>>>,
    /// Whether our own network works, by [`Family::index`]; `None` = not known yet.
    pub network_up: [Option<bool>; 2],
    /// Peers thrown away, by [`Rejection::index`].
    pub peers_rejected: [u64; 4],
    /// The scheduler's own health.
    pub schedule: ScheduleRow,
    /// Durations of probes, by source.
    pub probe_durations: [Histogram; Source::ALL.len()],
    /// State of the configuration.
    pub config: ConfigRow,
}

impl Snapshot {
    /// The tracker an announce row points at.
    pub fn tracker(&self, id: TrackerId) -> Option<&TrackerRow> {
        self.trackers.get(id.0 as usize)?.as_deref()
    }
}

/// The scheduler's own health.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScheduleRow {
    /// Probes past due that nothing but our own load holds back.
    pub overdue: u64,
    /// Lateness of the most overdue of them.
    pub lag: Duration,
    /// Probes under way, by source.
    pub in_flight: [u64; Source::ALL.len()],
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
}
