//! The state of one torrent beside its announces and lookups.

use super::tick::Tick;
use crate::history::Today;
use crate::snapshot::UnixOption32;
use crate::verdict::VerdictMemory;
use crate::{PerSource, Source};
use seedwatch_clock::{Mono, Now, Unix};

/// The state of one torrent beside its announces and lookups.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct TorrentState {
    pub(super) last_seen: LastSeen,
    pub(super) memory: VerdictMemory,
    /// The sample of the current day, for the daily history.
    pub(super) today: Today,
    /// When the first answer behind the row goes stale, so that the row must be built again.
    /// [`Tick::default`] means now.
    pub(super) fresh_until: Tick,
}

impl TorrentState {
    /// Requests that the row is built again.
    pub(super) fn mark_dirty(&mut self) {
        self.fresh_until = Tick::default();
    }

    /// Returns whether the row must be built again.
    pub(super) fn is_dirty(&self, now: Mono) -> bool {
        self.fresh_until <= Tick::at(now)
    }

    /// Records a successful probe.
    pub(super) fn record_success(&mut self, source: Source, now: Now) {
        self.mark_dirty();
        self.last_seen.success[source].record(now.unix);
    }

    /// Records a peer list, perhaps an empty one. `hour` is the current hour of running time.
    pub(super) fn record_list(&mut self, source: Source, has_peers: bool, now: Now, hour: u32) {
        self.last_seen.list_hour[source] = hour;
        if has_peers {
            self.last_seen.peer.record(now.unix);
        }
    }
}

/// When a torrent was last probed, listed and alive.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct LastSeen {
    /// When the latest successful probe ended.
    pub(super) success: PerSource<UnixOption32>,
    /// The hour of running time of the latest list, even of an empty one; 0 = never.
    pub(super) list_hour: PerSource<u32>,
    /// When at least one peer was last seen.
    pub(super) peer: UnixOption32,
}

impl LastSeen {
    /// Clamps times in the future to now, and returns whether there were any.
    pub(super) fn clamp_to(&mut self, now: Unix) -> bool {
        let times = self.success.values_mut().chain([&mut self.peer]);
        times.fold(false, |changed, time| time.clamp_to(now) | changed)
    }

    /// Returns the later of each pair of times.
    pub(super) fn or_later(self, other: Self) -> Self {
        Self {
            success: PerSource::from_fn(|source| {
                self.success[source].or_later(other.success[source])
            }),
            list_hour: PerSource::from_fn(|source| {
                self.list_hour[source].max(other.list_hour[source])
            }),
            peer: self.peer.or_later(other.peer),
        }
    }

    /// Returns the hour of the latest list of any source; 0 = never.
    pub(super) fn latest_list_hour(&self) -> u32 {
        self.list_hour.into_values().into_iter().max().unwrap_or(0)
    }
}
