//! What is shown of torrents and trackers.
//!
//! Unknown or stale is absent, never 0. Rows of torrents are packed: there may be a million.

use std::sync::Arc;
use std::time::Duration;

use crate::Source;
use seedwatch_clock::Unix;
#[cfg(doc)]
use seedwatch_torrent::Family;
use seedwatch_torrent::Torrent;
use seedwatch_tracker::{Counts, FailureReason, Phases, ProbeError, Remark, TrackerId};

use super::reach::{Listed, Reach};

/// A count that may be unknown, in four bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count(u32);

impl Count {
    /// Not known, or stale.
    pub const UNKNOWN: Self = Self(u32::MAX);

    /// The count, if it is known.
    pub const fn get(self) -> Option<u32> {
        if self.0 == u32::MAX {
            None
        } else {
            Some(self.0)
        }
    }

    /// The larger of what is known.
    pub fn max(self, other: Self) -> Self {
        self.get().max(other.get()).into()
    }
}

impl Default for Count {
    fn default() -> Self {
        Self::UNKNOWN
    }
}

impl From<Option<u32>> for Count {
    fn from(count: Option<u32>) -> Self {
        // A count that no swarm has says nothing.
        match count {
            Some(count) if count <= Counts::MAX => Self(count),
            _ => Self::UNKNOWN,
        }
    }
}

/// A point on the wall clock that may not have come yet, in four bytes (until 2106).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stamp(u32);

impl Stamp {
    /// The point, if it has come.
    pub const fn get(self) -> Option<Unix> {
        if self.0 == 0 {
            None
        } else {
            Some(Unix(self.0 as u64))
        }
    }
}

impl Stamp {
    /// No clock that is set reads earlier: 2020.
    const SET: u64 = 1_577_836_800;

    /// So far a clock may be set back as a matter of course: an hour.
    const BACKLASH: u64 = 3600;

    /// It comes now. A machine that starts in 1970 does not know when that is: what was known is
    /// better.
    pub(super) fn set(&mut self, now: Unix) {
        if now.0 >= Self::SET || self.get() < Some(now) {
            *self = now.into();
        }
    }

    /// A point that has not come is when a clock that was ahead said it was: at the latest now. Unless it
    /// is this clock that is not set yet. Returns whether it changed.
    pub(super) fn settle(&mut self, now: Unix) -> bool {
        let ahead = now.0 >= Self::SET && self.get() > Some(Unix(now.0 + Self::BACKLASH));
        if ahead {
            *self = now.into();
        }
        ahead
    }
}

impl From<Unix> for Stamp {
    fn from(at: Unix) -> Self {
        Self(u32::try_from(at.0).unwrap_or(u32::MAX))
    }
}

/// What is shown of one torrent.
#[derive(Debug, Clone, Copy, Default)]
pub struct TorrentRow {
    /// Distinct peer addresses from all sources, by [`Family::index`]. Families add up.
    pub peers: [Count; 2],
    /// Distinct peer addresses, by [`Source::index`]. Sources overlap.
    pub source_peers: [Count; Source::ALL.len()],
    /// Trackers whose latest answer for it was valid.
    pub trackers_online: Count,
    /// Largest count of seeders any tracker claims.
    pub seeders: Count,
    /// Largest count of leechers any tracker claims.
    pub leechers: Count,
    /// Seeders by the filters of the DHT (BEP 33).
    pub dht_seeders: Count,
    /// Leechers by the filters of the DHT.
    pub dht_leechers: Count,
    /// Whether the latest round got an answer, by [`Source::index`].
    pub probe_success: [Option<bool>; Source::ALL.len()],
    /// End of the last successful probe, by [`Source::index`].
    pub last_success: [Stamp; Source::ALL.len()],
    /// Last time at least one peer was seen.
    pub last_peer_seen: Stamp,
    /// In which windows it is known who was there.
    pub listed: Listed,
    /// Where its announces begin in its [`Block`], which sets this.
    pub first_announce: u32,
}

/// One torrent at one tracker.
#[derive(Debug, Clone)]
pub struct AnnounceRow {
    /// The tracker.
    pub tracker: TrackerId,
    /// Whether its latest answer for this torrent was valid.
    pub success: Option<bool>,
    /// Distinct peer addresses it listed.
    pub peers: Count,
    /// Its claim.
    pub seeders: Count,
    /// Its claim.
    pub leechers: Count,
    /// Its claim.
    pub completed: Count,
    /// What came with the latest answer, or why there was none. For the API, never for a label.
    pub remark: Option<Arc<Remark>>,
}

impl AnnounceRow {
    /// A torrent that this tracker was not asked about yet.
    pub fn unknown(tracker: TrackerId) -> Self {
        Self {
            tracker,
            success: None,
            peers: Count::UNKNOWN,
            seeders: Count::UNKNOWN,
            leechers: Count::UNKNOWN,
            completed: Count::UNKNOWN,
            remark: None,
        }
    }

    /// Why the latest probe failed.
    pub fn failure(&self) -> Option<&ProbeError> {
        match self.remark.as_deref() {
            Some(Remark::Failed(failed)) => Some(failed),
            _ => None,
        }
    }

    /// The warning that came with the latest answer.
    pub fn warning(&self) -> Option<&str> {
        match self.remark.as_deref() {
            Some(Remark::Warning(text)) => Some(text),
            _ => None,
        }
    }
}

/// Rows of up to [`Block::SIZE`] neighbouring torrents: the unit that pictures share.
#[derive(Debug, Clone, Default)]
pub struct Block {
    rows: Vec<TorrentRow>,
    announces: Vec<AnnounceRow>,
    /// By place, of those torrents that have any.
    reaches: Vec<(u8, Reach)>,
}

impl Block {
    /// Torrents in a block.
    pub const SIZE: usize = 128;

    /// Adds the next torrent. There is room for [`Block::SIZE`].
    pub fn push(
        &mut self,
        row: TorrentRow,
        announces: impl IntoIterator<Item = AnnounceRow>,
        reach: Option<Reach>,
    ) {
        // Most torrents of most fleets are idle: they take no room here.
        let place = self.rows.len() as u8;
        self.reaches.extend(reach.map(|reach| (place, reach)));
        self.rows.push(TorrentRow {
            first_announce: self.announces.len() as u32,
            ..row
        });
        self.announces.extend(announces);
    }

    /// One torrent, with its announces in configured order.
    pub fn get(&self, place: usize) -> Option<(&TorrentRow, &[AnnounceRow], Option<&Reach>)> {
        let row = self.rows.get(place)?;
        let reach = self
            .reaches
            .binary_search_by_key(&place, |(at, _)| usize::from(*at));
        let reach = reach.ok().and_then(|at| Some(&self.reaches.get(at)?.1));
        let end = self
            .rows
            .get(place + 1)
            .map_or(self.announces.len(), |n| n.first_announce as usize);
        let announces = self.announces.get(row.first_announce as usize..end)?;
        Some((row, announces, reach))
    }

    /// Gives back what growing took too much.
    pub fn shrink(&mut self) {
        self.rows.shrink_to_fit();
        self.announces.shrink_to_fit();
        self.reaches.shrink_to_fit();
    }
}

/// A torrent and what is shown of it; derefs to its [`TorrentRow`].
#[derive(Debug, Clone, Copy)]
pub struct TorrentView<'a> {
    /// Its identity and configuration.
    pub torrent: &'a Torrent,
    /// Its values.
    pub row: &'a TorrentRow,
    /// The torrent at each of its trackers, in configured order.
    pub announces: &'a [AnnounceRow],
    /// Its peers over time and by place; `None` if it had none within the last month.
    pub reach: Option<&'a Reach>,
}

impl std::ops::Deref for TorrentView<'_> {
    type Target = TorrentRow;

    fn deref(&self) -> &TorrentRow {
        self.row
    }
}

/// One tracker (scheme, host, port).
#[derive(Debug, Clone)]
pub struct TrackerRow {
    /// The `tracker` label.
    pub label: Box<str>,
    /// Whether the latest probe got a valid protocol answer, by [`Family::index`].
    pub up: [Option<bool>; 2],
    /// Where the time of the latest answered probe went, by [`Family::index`].
    pub phases: [Option<Phases>; 2],
    /// Earliest end of validity in its certificate chain.
    pub certificate_expiry: Option<Unix>,
    /// The announce interval it asks for.
    pub interval: Option<Duration>,
    /// Requests sent, retransmissions included.
    pub requests: u64,
    /// Probes that ended, failed ones included.
    pub probes: u64,
    /// Failed probes, by [`FailureReason::index`].
    pub failures: [u64; FailureReason::ALL.len()],
    /// Its latest warning, or the rate limit that it imposes now.
    pub remark: Option<Arc<Remark>>,
}

/// Why a claimed peer does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// Not globally routable.
    Bogon,
    /// Port 0.
    Port,
    /// One of our own addresses.
    Own,
    /// Unreadable.
    Malformed,
}

impl Rejection {
    /// All reasons, in the order of the metric catalogue.
    pub const ALL: [Rejection; 4] = [
        Rejection::Bogon,
        Rejection::Port,
        Rejection::Own,
        Rejection::Malformed,
    ];

    /// The value of the `reason` label.
    pub const fn as_label(self) -> &'static str {
        match self {
            Rejection::Bogon => "bogon",
            Rejection::Port => "port",
            Rejection::Own => "own",
            Rejection::Malformed => "malformed",
        }
    }

    /// Position in [`Rejection::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// Upper bounds of the buckets of a [`Histogram`].
pub type Bounds = [f64; 12];

/// Counts in fixed buckets.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Histogram {
    /// Observations by bucket, not cumulative; the last place is +Inf.
    pub counts: [u64; 13],
    /// Sum of all observations.
    pub sum: f64,
}

impl Histogram {
    /// Of durations, in seconds: from one loopback round trip to the largest deadline.
    pub const SECONDS: Bounds = [
        0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
    ];

    /// Of queries of a lookup: from the early end of a warm one to the budget of a large swarm.
    pub const QUERIES: Bounds = [
        1.0, 2.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 64.0, 128.0, 256.0,
    ];

    /// Counts one value; the bounds are always the same for one histogram.
    pub fn observe(&mut self, value: f64, bounds: &Bounds) {
        let bucket = bounds.partition_point(|bound| *bound < value);
        self.counts[bucket] += 1;
        self.sum += value;
    }
}
