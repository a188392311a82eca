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
use seedwatch_tracker::{FailureReason, ProbeError, Problem, TrackerId};

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
    /// Since when the torrent has needed seeding. It may be well by now, but not for long enough.
    pub needy_since: UnixOption32,
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

    /// Returns the largest number of seeders that a source knows of; `None` if no source counts
    /// them. A Bloom filter without seeders proves nothing: most nodes keep none (BEP 33).
    pub fn known_copies(&self) -> Option<u32> {
        let counted = self.dht_seeders.get().filter(|seeders| *seeders > 0);
        self.seeders.get().max(counted)
    }

    /// Returns the distinct peers from one source. `windows` are those of the torrent, if any.
    pub fn source_unique(&self, source: Source, windows: Option<&TorrentWindows>) -> UniquePeers {
        let counts = windows.map(|windows| windows.counts.by_source[source.index()]);
        where_known(counts.unwrap_or_default(), |window| {
            self.listed.has(source, window)
        })
    }
}

/// One torrent at one tracker. There may be millions. So the row does not say when the next probe
/// is due: only the queue of the tracker knows, whose waits move all of them at once
/// ([`TrackerRow::next_probe`](super::TrackerRow::next_probe)).
#[derive(Debug, Clone)]
pub struct AnnounceRow {
    /// The tracker.
    pub tracker: TrackerId,
    /// Whether the tracker's latest answer about the torrent was valid.
    pub success: Option<bool>,
    /// When the latest probe of the torrent ended, whether it was answered or not.
    pub last_probe: UnixOption32,
    /// Lists that are not stale, by [`Family::index`] of the announce. Two of a hybrid.
    pub lists: [u8; 2],
    /// How often in a row the tracker has refused the torrent, while the latest refusal is fresh.
    pub refusals: u8,
    /// The part of [`AnnounceRow::peers`] that no other source lists.
    pub exclusive: ExclusiveShare,
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
            last_probe: UnixOption32::default(),
            lists: [0; 2],
            refusals: 0,
            exclusive: ExclusiveShare::UNKNOWN,
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

    /// Returns the failure if the tracker refuses the torrent, or its operator asks not to be
    /// contacted (BEP 34).
    pub fn refusal(&self) -> Option<&ProbeError> {
        let failed = self.failure().filter(|_| self.success == Some(false))?;
        let is_refusal = matches!(
            failed.reason,
            FailureReason::Rejected | FailureReason::Denied
        );
        is_refusal.then_some(failed)
    }

    /// Returns the peers that the tracker lists and no other source does, at most 0.4 % of its
    /// peers too many.
    pub fn exclusive_peers(&self) -> Option<u32> {
        self.exclusive.of(self.peers.get()?)
    }

    /// Returns the warning of the latest answer.
    pub fn warning(&self) -> Option<&str> {
        match self.problem.as_deref() {
            Some(Problem::Warning(text)) => Some(text),
            _ => None,
        }
    }
}

/// A share of the peers of a tracker in one byte, so that a row does not grow: there may be ten
/// million. Exact up to 254 peers, which is more than most trackers list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExclusiveShare(u8);

const _: () = assert!(size_of::<AnnounceRow>() == 40);

impl ExclusiveShare {
    /// Not known, or the tracker lists no peer.
    pub const UNKNOWN: Self = Self(u8::MAX);

    /// All peers, in the unit of the share.
    const WHOLE: u64 = u8::MAX as u64 - 1;

    /// Returns the share of `part` in `peers`, rounded up.
    pub fn new(part: u32, peers: u32) -> Self {
        let share = u64::from(part.min(peers)) * Self::WHOLE;
        match peers {
            0 => Self::UNKNOWN,
            _ => Self(share.div_ceil(peers.into()) as u8),
        }
    }

    /// Returns the part of `peers` that the share is.
    fn of(self, peers: u32) -> Option<u32> {
        let part = u64::from(self.0) * u64::from(peers) / Self::WHOLE;
        (self != Self::UNKNOWN).then_some(part as u32)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_exact_for_lists_of_usual_length_and_never_too_small() {
        for peers in 1..=254 {
            for part in 0..=peers {
                assert_eq!(ExclusiveShare::new(part, peers).of(peers), Some(part));
            }
        }
        for (part, peers) in [(1, 100_000), (99_999, 100_000), (7, 1000), (0, 1000)] {
            let read = ExclusiveShare::new(part, peers).of(peers).unwrap();
            assert!(
                (part..=part + peers / 254 + 1).contains(&read),
                "{part} of {peers}"
            );
        }
        assert_eq!(ExclusiveShare::new(0, 0).of(0), None);
        assert_eq!(ExclusiveShare::UNKNOWN.of(9), None);
    }
}
