//! What is shown of torrents and trackers. `None` = unknown or stale: absent, never 0.

use std::sync::Arc;
use std::time::Duration;

use crate::observation::{Failed, Failure, Phases, Source, TrackerId};
use crate::time::Unix;
use crate::torrent::Torrent;

/// One torrent. `None` = unknown or stale: absent from the exposition, never 0.
#[derive(Debug, Clone)]
pub struct TorrentRow {
    /// Its identity and configuration.
    pub torrent: Arc<Torrent>,
    /// Distinct peer addresses from all sources, by [`Family::index`]. Families add up.
    pub peers: [Option<u32>; 2],
    /// Distinct peer addresses by source. Sources overlap.
    pub source_peers: [Option<u32>; Source::ALL.len()],
    /// Trackers whose latest answer for it was valid.
    pub trackers_online: Option<u32>,
    /// Largest count of seeders any tracker claims.
    pub seeders: Option<u32>,
    /// Largest count of leechers any tracker claims.
    pub leechers: Option<u32>,
    /// Whether the latest round got an answer, by source.
    pub probe_success: [Option<bool>; Source::ALL.len()],
    /// End of the last successful probe, by source.
    pub last_success: [Option<Unix>; Source::ALL.len()],
    /// Last time at least one peer was seen.
    pub last_peer_seen: Option<Unix>,
    /// The torrent at each of its trackers, in configured order.
    pub announces: Box<[AnnounceRow]>,
}

impl TorrentRow {
    /// A torrent of which nothing is known yet.
    pub fn unknown(torrent: Arc<Torrent>) -> Self {
        Self {
            torrent,
            peers: [None; 2],
            source_peers: [None; Source::ALL.len()],
            trackers_online: None,
            seeders: None,
            leechers: None,
            probe_success: [None; Source::ALL.len()],
            last_success: [None; Source::ALL.len()],
            last_peer_seen: None,
            announces: Box::default(),
        }
    }
}

/// One torrent at one tracker.
#[derive(Debug, Clone)]
pub struct AnnounceRow {
    /// The tracker.
    pub tracker: TrackerId,
    /// Whether its latest answer for this torrent was valid.
    pub success: Option<bool>,
    /// Distinct peer addresses it listed.
    pub peers: Option<u32>,
    /// Its claim.
    pub seeders: Option<u32>,
    /// Its claim.
    pub leechers: Option<u32>,
    /// Its claim.
    pub completed: Option<u32>,
    /// Why the latest probe failed. For the API, never for a label.
    pub failure: Option<Arc<Failed>>,
}

impl AnnounceRow {
    /// A torrent that this tracker was not asked about yet.
    pub fn unknown(tracker: TrackerId) -> Self {
        Self {
            tracker,
            success: None,
            peers: None,
            seeders: None,
            leechers: None,
            completed: None,
            failure: None,
        }
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
    /// Failed probes, by [`Failure::index`].
    pub failures: [u64; Failure::ALL.len()],
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

/// Counts of durations in fixed buckets.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Histogram {
    /// Observations by bucket, not cumulative; the last place is +Inf.
    pub counts: [u64; Histogram::BOUNDS.len() + 1],
    /// Sum of all observations, in seconds.
    pub sum: f64,
}

impl Histogram {
    /// Upper bounds in seconds: from one loopback round trip to the largest deadline.
    pub const BOUNDS: [f64; 12] = [
        0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0,
    ];

    /// Counts one duration.
    pub fn observe(&mut self, duration: Duration) {
        let seconds = duration.as_secs_f64();
        let bucket = Self::BOUNDS.partition_point(|bound| *bound < seconds);
        self.counts[bucket] += 1;
        self.sum += seconds;
    }
}
