//! What an observation means for its tracker: the schedule decides it, the swarms show it.

use std::time::Duration;

/// Longest announce interval of a tracker that is honored. Some trackers ask for 2³¹ seconds.
pub(crate) const LONGEST_TRACKER_INTERVAL: Duration = Duration::from_secs(3 * 3600);

/// Longest back-off of a tracker that is down, in intervals.
pub(crate) const MAX_BACK_OFF: u32 = 2;

/// The health of a tracker over one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// No result yet.
    Unknown,
    /// The latest result was an answer.
    Up,
    /// Two attempts in a row failed.
    Down,
    /// Its operator asks not to be contacted, or we do not speak its protocol.
    Closed,
    /// The host has no address of this family that we can route to.
    Absent,
}

/// What an observation means for its tracker and its swarms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthChange {
    /// The tracker's health over the family after this observation.
    pub health: Health,
    /// Whether `health` differs from before.
    pub changed: bool,
    /// Whether the result is final. A first failure is not: it is only counted, and the probe is
    /// repeated with new packets.
    pub is_confirmed: bool,
}
