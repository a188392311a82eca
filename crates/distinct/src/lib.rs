//! Distinct peers over sliding windows of a day, a week and a month. Pure.
//!
//! A [`Set`] holds peers as keyed hashes ([`Key`]) with the hour in which each source last saw
//! them, so one structure answers for every window and source. All windows slide by the hour: a
//! week that slid by the day would lose a seventh of itself at each midnight.
//!
//! | Module | Contents |
//! |---|---|
//! | `key` | addresses → hashes |
//! | `running_clock` | wall clock → hours that never go back |
//! | `set` | [`Set`]: sightings, unions, counts |
//! | `entry`, `entries` | one peer in seven bytes; many of them in chunks |
//! | `bottom_k` | what a set may drop, and how it estimates |
//! | `sliding_counts` | counts that move to the next hour without a recount |
//! | `codec` | sets as bytes |
//!
//! # Exact, then a sample
//!
//! Fewer than [`K`] peers in a window are counted exactly. Of more, only the K smallest hashes are
//! needed: the largest of these shows how dense the hashes are, with one sigma of 1/√(K − 2) = 1.56
//! %. A set keeps every sighting that may ever be among the K smallest of a window. It drops a
//! sighting once the same source saw K peers with smaller hashes in the same hour or later. It
//! follows:
//!
//! * Counts depend only on which peers were seen when, not on the order of sightings, unions and
//!   saves. A union of sets equals the set of the united stream.
//! * A window is exact whenever fewer than K peers are in it, whatever the other windows hold. A
//!   swarm that shrinks becomes exact again, without any conversion.
//! * Counts never contradict each other: a day never exceeds its week, nor a part its union.
//!
//! # Memory
//!
//! With two [`SOURCES`], a peer takes seven bytes, and chunks add about a twentieth. Of N peers per
//! month, a set above K keeps up to about K·(1 + ln(N/K)) for each source, and a quarter more
//! before it prunes: 92 kB at 30,000 peers, 230 kB at a million. [`MAX_ENTRIES`] bounds every set
//! at 1 MiB.
//!
//! # Sources
//!
//! A source is an index below [`SOURCES`]. A further source costs ten bits per peer (rounded up to
//! bytes), changes no hash, and reads what was saved before.
//!
//! # Time
//!
//! Sets take a [`Moment`] of the one [`RunningClock`] that all of them share. Its module describes
//! how it follows a wall clock that jumps.

mod bottom_k;
mod codec;
mod entries;
mod entry;
mod key;
mod running_clock;
mod set;
mod sliding_counts;
#[cfg(test)]
mod tests;

pub use codec::{DecodeError, Format};
pub use key::{Key, PeerHash};
pub use running_clock::{Moment, RunningClock};
pub use set::{Insert, Set};

/// The number of sources that a set distinguishes.
pub const SOURCES: usize = 2;

/// The number of smallest hashes that estimates a window. Windows with fewer peers are exact.
pub const K: usize = 4096;

/// Most peers of a set, in memory and encoded. Two disjoint sources of a hundred million peers each
/// do not reach it; it bounds the memory if hashes are not random.
pub const MAX_ENTRIES: usize = 1 << 17;

/// A span of time that ends now, the current hour included.
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

    /// Returns the value of the `window` label.
    pub const fn as_label(self) -> &'static str {
        match self {
            Self::Day => "1d",
            Self::Week => "7d",
            Self::Month => "30d",
        }
    }

    /// Returns the length in hours.
    pub const fn hours(self) -> u32 {
        match self {
            Self::Day => 24,
            Self::Week => 7 * 24,
            Self::Month => 30 * 24,
        }
    }

    /// Returns the position in [`Window::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// Distinct peers, by [`Window::index`]. A window that began before the first sighting counts what
/// was seen since.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Peers from any source.
    pub all: [u32; Window::ALL.len()],
    /// Peers from each source; sources overlap.
    pub by_source: [[u32; Window::ALL.len()]; SOURCES],
}
