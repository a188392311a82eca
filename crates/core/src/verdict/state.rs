//! States and conditions of a torrent.

use super::Reason;
use crate::snapshot::UnixOption32;

/// The state of a torrent, the most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum State {
    /// Every source that could know of peers has said for two rounds that there are none; or, in
    /// the only round of a one-shot probe, every source that may be asked.
    Dead,
    /// Alive, but with few peers or without a seeder for a day.
    AtRisk,
    /// The sources that could know of peers do not answer, although our network works.
    Unobserved,
    /// The sources have not been asked often enough to say anything.
    #[default]
    Pending,
    /// A source lists a peer or counts one, or did so recently.
    Alive,
    /// Private, and not to be probed.
    Private,
}

impl State {
    /// All states, the most urgent first.
    pub const ALL: [Self; 6] = [
        Self::Dead,
        Self::AtRisk,
        Self::Unobserved,
        Self::Pending,
        Self::Alive,
        Self::Private,
    ];

    /// Returns the value of the `state` label.
    ///
    /// ```
    /// use seedwatch_core::verdict::State;
    ///
    /// assert_eq!(State::AtRisk.as_label(), "at_risk");
    /// ```
    pub const fn as_label(self) -> &'static str {
        match self {
            Self::Dead => "dead",
            Self::AtRisk => "at_risk",
            Self::Unobserved => "unobserved",
            Self::Pending => "pending",
            Self::Alive => "alive",
            Self::Private => "private",
        }
    }

    /// Returns the state with this label.
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|state| state.as_label() == label)
    }

    /// Returns the position in [`State::ALL`], which also stands for the state in saved files.
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// Something about a torrent that its operator should know, whatever the state is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Condition {
    /// Trackers are asked about the torrent, and none gives a valid answer.
    NoTracker,
    /// For a day, no source has known of a seeder.
    NoSeeder,
    /// For a day, the torrent has had few distinct peers in a day and in a week.
    FewPeers,
    /// All peers are in one autonomous system, or in one prefix (IPv4 /24, IPv6 /48).
    OneNetwork,
}

impl Condition {
    /// All conditions, in the order of their bits.
    pub const ALL: [Self; 4] = [
        Self::NoTracker,
        Self::NoSeeder,
        Self::FewPeers,
        Self::OneNetwork,
    ];

    /// Returns the value of the `condition` label.
    pub const fn as_label(self) -> &'static str {
        match self {
            Self::NoTracker => "no_tracker",
            Self::NoSeeder => "no_seeder",
            Self::FewPeers => "few_peers",
            Self::OneNetwork => "one_network",
        }
    }
}

/// A set of conditions, in one byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Conditions(u8);

impl Conditions {
    /// Adds a condition if it holds.
    pub const fn with(self, condition: Condition, holds: bool) -> Self {
        Self(self.0 | (holds as u8) << condition as u8)
    }

    /// Returns whether the set has a condition.
    pub const fn has(self, condition: Condition) -> bool {
        self.0 >> condition as u8 & 1 == 1
    }

    /// Returns the conditions that hold.
    pub fn iter(self) -> impl Iterator<Item = Condition> {
        Condition::ALL
            .into_iter()
            .filter(move |condition| self.has(*condition))
    }
}

/// What is decided about a torrent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Verdict {
    /// The state.
    pub state: State,
    /// Why the torrent is in this state.
    pub reason: Reason,
    /// What else holds.
    pub conditions: Conditions,
    /// When the torrent came into this state, by the wall clock. Unknown before the first
    /// judgement, and while the clock is not set.
    pub since: UnixOption32,
}
