//! Rows about the daemon itself: databases, DHT, scheduler, state directory, configuration.

use std::time::Duration;

use super::histogram::Histogram;
use crate::PerSource;
use seedwatch_clock::Unix;
use seedwatch_dht::DhtStatus;
use seedwatch_geo::Credit;
#[cfg(doc)]
use seedwatch_geo::Database;
#[cfg(doc)]
use seedwatch_torrent::Family;

/// The databases of countries and autonomous systems.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct GeoRow {
    /// When each of [`Database::ALL`] was built; `None` if it is not configured.
    pub built: [Option<Unix>; 2],
    /// The attribution that pages with countries must carry.
    pub credit: Option<Credit>,
}

/// The state of the DHT nodes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct DhtRow {
    /// By [`Family::index`]; `None` without a socket. Holds no address of our own.
    pub families: [Option<DhtStatus>; 2],
    /// Durations of lookups.
    pub durations: Histogram,
    /// Queries per lookup.
    pub queries: Histogram,
}

/// The load of the scheduler.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScheduleRow {
    /// Probes past due that only our own load holds back.
    pub overdue: u64,
    /// Lateness of the most overdue of them.
    pub lag: Duration,
    /// Probes under way.
    pub in_flight: PerSource<u64>,
}

/// The progress of saving to the state directory.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StateRow {
    /// When the last complete save of this process began. Everything known then is on the disk.
    pub last_save: Option<Unix>,
    /// Saves that were not complete.
    pub failures: u64,
}

/// The state of the configuration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ConfigRow {
    /// Whether the last reload (or the start) succeeded.
    pub last_reload_successful: bool,
    /// When a reload (or the start) last succeeded.
    pub last_reload_success: Unix,
    /// `metrics.country_limit`; `None` exposes all countries of a torrent.
    pub country_limit: Option<u16>,
    /// `metrics.per_tracker`.
    pub per_tracker: bool,
    /// `metrics.countries`.
    pub countries: bool,
    /// `--web.public`: whether strangers may read.
    pub is_public: bool,
}
