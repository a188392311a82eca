//! What an observation means for its tracker: the schedule decides, the fold shows it.

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
pub struct HealthChange {
    /// Health of the (tracker, family) after this observation.
    pub health: Health,
    /// Whether `health` differs from before.
    pub changed: bool,
    /// A failure that is_confirmed: it was tried twice with fresh packets, or it was said in words. A
    /// first failure is only counted, then tried again.
    pub is_confirmed: bool,
}
