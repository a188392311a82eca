//! Rows of trackers, and the reasons why a claimed peer does not count.

use std::sync::Arc;
use std::time::Duration;

use seedwatch_clock::Unix;
#[cfg(doc)]
use seedwatch_torrent::Family;
use seedwatch_tracker::{FailureReason, Phases, Problem};

/// The values of one tracker (scheme, host, port).
#[derive(Debug, Clone)]
pub struct TrackerRow {
    /// The `tracker` label.
    pub label: Box<str>,
    /// Whether the latest probe got a valid protocol answer, by [`Family::index`].
    pub up: [Option<bool>; 2],
    /// How long each phase of the latest answered probe took, by [`Family::index`].
    pub phases: [Option<Phases>; 2],
    /// The earliest end of validity in the tracker's certificate chain.
    pub certificate_expiry: Option<Unix>,
    /// The announce interval that the tracker asks for.
    pub interval: Option<Duration>,
    /// When the tracker may be asked next, about any torrent; `None` if nothing waits for it.
    pub next_probe: Option<Unix>,
    /// Requests sent, retransmissions included.
    pub requests: u64,
    /// Probes that ended, failed ones included.
    pub probes: u64,
    /// Failed probes, by [`FailureReason::index`].
    pub failures: [u64; FailureReason::ALL.len()],
    /// The tracker's latest warning, or the rate limit that it imposes now.
    pub problem: Option<Arc<Problem>>,
}

impl TrackerRow {
    /// Returns whether the tracker is down: over no family does it give a valid answer.
    pub fn is_down(&self) -> bool {
        self.up.contains(&Some(false)) && !self.up.contains(&Some(true))
    }
}

/// Why a claimed peer does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// The address is not globally routable.
    Bogon,
    /// The port is 0.
    Port,
    /// The address or the entry is our own.
    Own,
    /// The entry cannot be read.
    Malformed,
}

impl Rejection {
    /// All reasons, in the order of the metric catalogue.
    pub const ALL: [Rejection; 4] = [
        Rejection::Bogon,
        Rejection::Port,
        Rejection::Own,
        Rejection::Malformed,
    ];

    /// Returns the value of the `reason` label.
    pub const fn as_label(self) -> &'static str {
        match self {
            Rejection::Bogon => "bogon",
            Rejection::Port => "port",
            Rejection::Own => "own",
            Rejection::Malformed => "malformed",
        }
    }

    /// Returns the position in [`Rejection::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }
}
