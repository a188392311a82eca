//! Distinct peers over a day, a week and a month. Pure.
//!
//! A [`Set`] remembers peers as keyed hashes ([`Key`]) with the hour in which each source last named
//! them, so one structure answers for every window and source. All windows slide by the hour: a week
//! that slid by the day would lose a seventh of itself at each midnight.
//!
//! # Exact, then a sample
//!
//! Fewer than [`K`] peers in a window are counted exactly. Of more, only the K smallest hashes are
//! needed: where the largest of these lies tells how many there are, with one sigma of
//! 1/√(K − 2) = 1.56 %. As windows slide, a set keeps what may ever be among the K smallest of the
//! time from some hour until now: a sighting is dropped once the same source saw K peers with smaller
//! hashes in the same hour or later. From that rule follows:
//!
//! * What counts depends only on who was seen when, not on the order of sightings, unions and saves:
//!   a union of sets equals the set of the united stream.
//! * A window is exact whenever fewer than K peers are in it, whatever the others hold; a swarm that
//!   shrinks becomes exact by itself, and nothing is ever converted.
//! * Counts never contradict each other: a day is never above its week, nor a part above its union.
//!
//! # Memory
//!
//! Seven bytes a peer for all sources together, and about a twentieth more for how they are held. Of N
//! peers a month, a set above K keeps up to about K·(1 + ln(N/K)) for each source, and a quarter more
//! before it tidies up: 92 kB at 30,000 peers, 230 kB at a million. [`MAX_ENTRIES`] bounds
//! every set at 1 MiB.
//!
//! # Time
//!
//! Sets take a [`Moment`] of the one [`Calendar`] that all share. `calendar.rs` says what becomes of a
//! clock that jumps.

mod bottom;
mod calendar;
mod code;
mod entries;
mod entry;
mod key;
mod set;
mod sliding;
#[cfg(test)]
mod tests;

pub use calendar::{Calendar, Moment};
pub use code::{Layout, Nonsense};
pub use code::{read_varint, write_varint};
pub use key::{Key, Peer};
pub use set::{Set, Sighting};

/// Sources that a set tells apart.
pub const SOURCES: usize = 2;

/// From so many peers on, a window is estimated by as many smallest hashes.
pub const K: usize = 4096;

/// Peers that a set remembers at most, in memory and in its encoding. Two disjoint sources of a
/// hundred million peers each do not reach it, so it only bounds what should not happen.
pub const MAX_ENTRIES: usize = 1 << 17;

/// A span of time up to now, the current hour included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// 24 hours.
    Day,
    /// 7 days.
    Week,
    /// 30 days.
    Month,
}

impl Window {
    /// All windows, the shortest first.
    pub const ALL: [Self; 3] = [Self::Day, Self::Week, Self::Month];

    /// The value of the `window` label.
    pub const fn as_label(self) -> &'static str {
        match self {
            Self::Day => "1d",
            Self::Week => "7d",
            Self::Month => "30d",
        }
    }

    /// Its length in hours.
    pub const fn hours(self) -> u32 {
        match self {
            Self::Day => 24,
            Self::Week => 7 * 24,
            Self::Month => 30 * 24,
        }
    }

    /// Position in [`Window::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// Distinct peers, by [`Window::index`]. A window that began before we did counts what was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// From any source.
    pub all: [u32; Window::ALL.len()],
    /// From each source; they overlap.
    pub by_source: [[u32; Window::ALL.len()]; SOURCES],
}
