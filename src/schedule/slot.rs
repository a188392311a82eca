//! The place of one swarm at one tracker over one family.

use super::lane::Outcome;

/// Where a swarm is: in its lane's queue, under way, or gone.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Slot {
    live: bool,
    busy: bool,
    /// Failures in a row.
    failures: u8,
}

impl Slot {
    /// A swarm that waits in its lane's queue.
    pub(super) fn queued() -> Self {
        Self {
            live: true,
            busy: false,
            failures: 0,
        }
    }

    /// Still in the configuration.
    pub(super) fn is_live(&self) -> bool {
        self.live
    }

    /// Under way.
    pub(super) fn is_busy(&self) -> bool {
        self.busy
    }

    /// Leaves the queue.
    pub(super) fn take(&mut self) {
        self.busy = true;
    }

    /// Comes back without a result.
    pub(super) fn release(&mut self) {
        self.busy = false;
    }

    /// Comes back with a result; says whether a failure stands.
    pub(super) fn settle(&mut self, outcome: Outcome) -> bool {
        self.busy = false;
        self.failures = match outcome {
            Outcome::Failed => self.failures.saturating_add(1),
            _ => 0,
        };
        outcome != Outcome::Failed || self.failures >= 2
    }

    /// Gone from the configuration.
    pub(super) fn remove(&mut self) {
        self.live = false;
    }
}
