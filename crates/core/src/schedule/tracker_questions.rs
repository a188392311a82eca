//! What the queues of both families know about a tracker.

use super::Schedule;
use super::tracker_queue::{QueueId, TrackerQueue};
use crate::Health;
use seedwatch_clock::{Now, Unix};
use seedwatch_torrent::Family;
use seedwatch_tracker::TrackerId;

impl Schedule {
    /// Returns whether a tracker may be contacted, as far as is known.
    pub fn may_contact(&self, tracker: TrackerId) -> bool {
        self.queues_of(tracker)
            .all(|queue| queue.health() != Health::Closed)
    }

    /// Returns whether a tracker has ever answered this process.
    pub fn has_answered(&self, tracker: TrackerId) -> bool {
        self.queues_of(tracker).any(TrackerQueue::has_answered)
    }

    /// Returns when a tracker may be asked next, by the wall clock; `None` if nothing waits for it.
    pub fn next_probe(&self, tracker: TrackerId, now: Now) -> Option<Unix> {
        let queues = self.queues_of(tracker);
        let ready = queues.filter_map(|queue| queue.ready_at(now.mono)).min()?;
        Some(Unix(now.unix.0 + ready.since(now.mono).as_secs()))
    }

    fn queues_of(&self, tracker: TrackerId) -> impl Iterator<Item = &TrackerQueue> {
        let ids = Family::ALL.map(|family| QueueId::of(tracker, family));
        ids.into_iter().filter_map(|id| self.queues.get(id.index()))
    }
}
