//! Notices: changes that operators should see in the log.

use std::sync::Arc;

use crate::Health;
use crate::connectivity::Transition;
use crate::verdict::StateChange;
use seedwatch_torrent::{Family, TrackerUrl};

/// A change that operators should see in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Our own network changed over one family.
    Connectivity {
        /// The family.
        family: Family,
        /// What is known now.
        transition: Transition,
    },
    /// The DHT of a family fell silent, or answers again.
    Dht {
        /// The family.
        family: Family,
        /// Whether its nodes answer now.
        is_up: bool,
    },
    /// Our own resolver changed.
    Resolver {
        /// Whether names can be resolved.
        works: bool,
    },
    /// The state of a torrent changed.
    State {
        /// The name of the torrent.
        torrent: Box<str>,
        /// The change.
        change: StateChange,
    },
    /// The states of so many further torrents changed at the same time.
    MoreStates(usize),
    /// The health of a tracker changed over one family.
    Tracker {
        /// The tracker. Only its label may be logged.
        tracker: Arc<TrackerUrl>,
        /// The family.
        family: Family,
        /// Its health now.
        health: Health,
        /// Label of the failure reason, if a failure caused it.
        reason: Option<&'static str>,
    },
}
