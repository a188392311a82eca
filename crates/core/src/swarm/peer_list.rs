//! Peer lists as the latest answers left them, and how far the peer history has recorded them.

use super::filter::PeerFilter;
use super::own::OwnEntry;
use seedwatch_distinct::{Moment, Window};
use seedwatch_torrent::Peers;

/// The peers of one answer that count, by family: sorted and distinct.
#[derive(Debug, Default)]
pub(super) struct PeerLists {
    v4: Box<[u32]>,
    /// /64 prefixes.
    v6: Box<[u64]>,
    /// Fingerprints of the claimed lists, before they were sorted. Most rounds bring the same peers
    /// again.
    fingerprints: [u64; 2],
    pub(super) recorded_at: RecordedAt,
}

/// How far the peer history has recorded the peers of a list.
///
/// Most rounds bring the same peers again, and the shortest window is a day. So the history records
/// a list when it is new, at least every [`RecordedAt::LONGEST`] hours, and when it ends.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct RecordedAt {
    /// The last hour of running time in which the history saw all peers of the list; 0 = none.
    hour: u32,
    /// Hours from `hour` to the hour in which the list was last confirmed.
    pending: u8,
    /// The epoch of the configuration under which the peers were recorded.
    epoch: u16,
}

impl RecordedAt {
    /// Longest time in hours that a list goes unrecorded. A list that is not confirmed any more
    /// must be found before its recorded hour leaves the shortest window.
    const LONGEST: u32 = 18;

    /// Returns the state of a list that was just recorded.
    pub(super) fn new(hour: u32, epoch: u16) -> Self {
        Self {
            hour,
            pending: 0,
            epoch,
        }
    }

    /// Notes that an answer named the same peers again. Returns whether recording can wait.
    pub(super) fn confirm(&mut self, epoch: u16, now: Moment) -> bool {
        let can_wait = self.hour > 0 && self.epoch == epoch && !self.is_due(now);
        if can_wait {
            self.pending = now.hour().saturating_sub(self.hour) as u8;
        }
        can_wait
    }

    /// Returns the hour of the last confirmation, if it is not recorded yet.
    pub(super) fn pending_hour(self) -> Option<u32> {
        (self.pending > 0).then(|| self.hour + u32::from(self.pending))
    }

    /// Returns whether the list must be recorded now.
    pub(super) fn is_due(self, now: Moment) -> bool {
        now.hour().saturating_sub(self.hour) >= Self::LONGEST
            || !now.is_within(Window::Day, self.hour)
    }
}

impl PeerLists {
    /// Takes the lists from `scratch`. Returns the replaced peers if the history has a confirmation
    /// of them to record.
    pub(super) fn replace(&mut self, scratch: &mut ScratchLists) -> Option<Self> {
        let v4 = replace(&mut self.v4, &mut self.fingerprints[0], &mut scratch.v4);
        let v6 = replace(&mut self.v6, &mut self.fingerprints[1], &mut scratch.v6);
        if v4.is_none() && v6.is_none() {
            return None;
        }
        let recorded_at = std::mem::take(&mut self.recorded_at);
        recorded_at.pending_hour().map(|_| Self {
            v4: v4.unwrap_or_default(),
            v6: v6.unwrap_or_default(),
            fingerprints: [0; 2],
            recorded_at,
        })
    }

    /// Loads the memory that the next list is compared with. The result only keeps the compiler
    /// from removing the loads.
    pub(super) fn prefetch(&self) -> u64 {
        self.fingerprints[0].wrapping_add(self.fingerprints[1])
    }

    /// Returns the IPv4 addresses and the /64 prefixes.
    pub(super) fn slices(lists: Option<&Self>) -> PeerSlices<'_> {
        lists.map_or((&[], &[]), |lists| (&lists.v4, &lists.v6))
    }
}

/// IPv4 addresses and /64 prefixes, each sorted and distinct.
pub(super) type PeerSlices<'a> = (&'a [u32], &'a [u64]);

/// The effect of an answer on the stored list.
#[derive(Debug)]
pub(super) struct ListUpdate {
    /// Whether the list names a peer that counts.
    pub(super) has_peers: bool,
    /// The replaced peers, if the history has a confirmation of them to record.
    pub(super) replaced: Option<PeerLists>,
}

/// Buffers for the peers of one answer, reused for the next.
#[derive(Debug, Default)]
pub(super) struct ScratchLists {
    v4: Vec<u32>,
    v6: Vec<u64>,
}

impl ScratchLists {
    /// Fills the buffers with the claimed peers that count. `own_entry` is given if our own entry
    /// may be in the list.
    pub(super) fn fill(
        &mut self,
        claimed: &Peers,
        own_entry: Option<OwnEntry>,
        filter: &mut PeerFilter,
    ) {
        filter.keep_v4(&claimed.v4, own_entry, &mut self.v4);
        filter.keep_v6(&claimed.v6, own_entry, &mut self.v6);
    }

    /// Returns whether no claimed peer counts.
    pub(super) fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }
}

/// Replaces a stored list by a claimed one, which may have any order and repetitions. Returns the
/// old list if it differs. Most rounds bring the same peers in another order; a fingerprint that
/// does not depend on the order saves the sorting.
fn replace<T: Copy + Ord + Into<u64>>(
    stored: &mut Box<[T]>,
    stored_fingerprint: &mut u64,
    claimed: &mut Vec<T>,
) -> Option<Box<[T]>> {
    let fingerprint = fingerprint(claimed);
    if fingerprint == *stored_fingerprint && stored.is_empty() == claimed.is_empty() {
        return None;
    }
    *stored_fingerprint = fingerprint;
    claimed.sort_unstable();
    claimed.dedup();
    Some(std::mem::replace(stored, claimed.as_slice().into()))
}

/// Returns a fingerprint of a list that does not depend on its order.
pub(super) fn fingerprint<T: Copy + Into<u64>>(peers: &[T]) -> u64 {
    let mixed = peers.iter().map(|peer| mix((*peer).into()));
    mixed.fold(0, u64::wrapping_add)
}

/// Spreads a number over 64 bits, so that sums of mixed numbers differ from list to list. The
/// product of a number with its own rotation is not linear, and costs one multiplication.
fn mix(number: u64) -> u64 {
    let odd = number ^ 0x9e37_79b9_7f4a_7c15;
    odd.wrapping_mul(odd.rotate_left(32))
}
