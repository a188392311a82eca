//! Rows of torrents and of their announces. Torrent rows are packed: there may be a million.

use std::sync::Arc;

use super::count::{Count, UnixOption32};
use super::windows::{ListedWindows, TorrentWindows, UniquePeers, where_known};
use crate::history::{DailyHistory, DatedSample};
use crate::verdict::Verdict;
use crate::{PerSource, Source};
#[cfg(doc)]
use seedwatch_torrent::Family;
use seedwatch_torrent::Torrent;
use seedwatch_tracker::{ProbeError, Problem, TrackerId};

/// The values of one torrent.
#[derive(Debug, Clone, Copy, Default)]
pub struct TorrentRow {
    /// Distinct peers from all sources, by [`Family::index`]. The families add up.
    pub peers: [Count; 2],
    /// Distinct peers from each source. A peer may be named by several sources.
    pub source_peers: PerSource<Count>,
    /// Lists of the DHT that are not stale, by [`Family::index`] of the lookup. Two of a hybrid.
    pub dht_lists: [u8; 2],
    /// Trackers whose latest answer about the torrent was valid.
    pub trackers_online: Count,
    /// The largest seeder count that any tracker claims.
    pub seeders: Count,
    /// The largest leecher count that any tracker claims.
    pub leechers: Count,
    /// Seeders as estimated from the DHT's Bloom filters (BEP 33).
    pub dht_seeders: Count,
    /// Leechers as estimated from the DHT's Bloom filters (BEP 33).
    pub dht_leechers: Count,
    /// Whether the latest round brought an answer.
    pub probe_success: PerSource<Option<bool>>,
    /// When the latest successful probe ended.
    pub last_success: PerSource<UnixOption32>,
    /// When at least one peer was last seen.
    pub last_peer_seen: UnixOption32,
    /// The state of the torrent, and why it is in it.
    pub verdict: Verdict,
    /// The windows in which each source gave a list.
    pub listed: ListedWindows,
    /// The sample of the current day, for the daily history.
    pub today: DatedSample,
    /// Where the announces of the torrent begin in its [`Block`](super::Block), which sets this.
    pub first_announce: u32,
}

impl TorrentRow {
    /// Returns the distinct peers from any source. `windows` are those of the torrent, if any.
    pub fn unique(&self, windows: Option<&TorrentWindows>) -> UniquePeers {
        let counts = windows
            .map(|windows| windows.counts.all)
            .unwrap_or_default();
        where_known(counts, |window| self.listed.has_any(window))
    }

    /// Returns the distinct peers from one source. `windows` are those of the torrent, if any.
    pub fn source_unique(&self, source: Source, windows: Option<&TorrentWindows>) -> UniquePeers {
        let counts = windows.map(|windows| windows.counts.by_source[source.index()]);
        where_known(counts.unwrap_or_default(), |window| {
            self.listed.has(source, window)
        })
    }
}

/// One torrent at one tracker.
#[derive(Debug, Clone)]
pub struct AnnounceRow {
    /// The tracker.
    pub tracker: TrackerId,
    /// Whether the tracker's latest answer about the torrent was valid.
    pub success: Option<bool>,
    /// Lists that are not stale, by [`Family::index`] of the announce. Two of a hybrid.
    pub lists: [u8; 2],
    /// Distinct peers that the tracker lists.
    pub peers: Count,
    /// The tracker's claim.
    pub seeders: Count,
    /// The tracker's claim.
    pub leechers: Count,
    /// The tracker's claim.
    pub completed: Count,
    /// The warning of the latest answer, or why the latest probe failed. For the API, never for a
    /// label.
    pub problem: Option<Arc<Problem>>,
}

impl AnnounceRow {
    /// Returns the row of a torrent that the tracker was not asked about yet.
    pub fn unknown(tracker: TrackerId) -> Self {
        Self {
            tracker,
            success: None,
            lists: [0; 2],
            peers: Count::UNKNOWN,
            seeders: Count::UNKNOWN,
            leechers: Count::UNKNOWN,
            completed: Count::UNKNOWN,
            problem: None,
        }
    }

    /// Returns why the latest probe failed.
    pub fn failure(&self) -> Option<&ProbeError> {
        match self.problem.as_deref() {
            Some(Problem::Failed(failed)) => Some(failed),
            _ => None,
        }
    }

    /// Returns the warning of the latest answer.
    pub fn warning(&self) -> Option<&str> {
        match self.problem.as_deref() {
            Some(Problem::Warning(text)) => Some(text),
            _ => None,
        }
    }
}

/// A torrent with its values. It dereferences to its [`TorrentRow`].
#[derive(Debug, Clone, Copy)]
pub struct TorrentView<'a> {
    /// Identity and configuration of the torrent.
    pub torrent: &'a Torrent,
    /// Its values.
    pub row: &'a TorrentRow,
    /// The torrent at each of its trackers, in the order of the configuration.
    pub announces: &'a [AnnounceRow],
    /// Its peers over time and by place; `None` if it had no peers within the last month.
    pub windows: Option<&'a TorrentWindows>,
    /// Its daily history.
    pub history: DailyHistory<'a>,
}

impl std::ops::Deref for TorrentView<'_> {
    type Target = TorrentRow;

    fn deref(&self) -> &TorrentRow {
        self.row
    }
}
