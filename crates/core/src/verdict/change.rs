//! A change of state.

use super::reason::Reason;
use super::state::{State, Verdict};
use crate::roster::TorrentIndex;
use crate::snapshot::UnixOption32;

/// A change of a torrent from one state to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateChange {
    /// The torrent.
    pub torrent: TorrentIndex,
    /// The state before.
    pub from: State,
    /// The state now.
    pub to: State,
    /// Why.
    pub reason: Reason,
    /// When, by the wall clock.
    pub at: UnixOption32,
}

impl StateChange {
    /// Returns the change from a state to a verdict, if the state differs.
    pub fn between(from: State, to: Verdict, torrent: TorrentIndex) -> Option<Self> {
        (from != to.state).then_some(Self {
            torrent,
            from,
            to: to.state,
            reason: to.reason,
            at: to.since,
        })
    }
}
