//! What an observation means for its tracker: the schedule decides, the fold shows it.

use std::time::Duration;

/// Longest announce interval of a tracker that is honored. Some trackers ask for 2³¹ seconds.
pub const LONGEST_TRACKER_INTERVAL: Duration = Duration::from_secs(3 * 3600);

/// What is known of a tracker over one family.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Nothing yet.
    Unknown,
    /// The latest answer was one.
    Up,
    /// Two failed attempts in a row.
    Down,
    /// Its operator asks not to be contacted, or we do not speak its language.
    Closed,
    /// The host has no address of this family that we can route to.
    Absent,
}

/// What to do with the swarms of an observation, once the lane's health is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// Health of the (tracker, family) after this observation.
    pub health: Health,
    /// Whether `health` differs from before.
    pub changed: bool,
    /// A failure that stands: it was tried twice with fresh packets, or it was said in words. A
    /// first failure is only counted, then tried again.
    pub stands: bool,
}
