//! Which torrents need seeding, and which of them a helper should take.
//!
//! The verdict says since when a torrent has needed seeding. A selection is made for one helper: a
//! part of the needy torrents within its budget of bytes, another part for another helper, the most
//! needed first. Private torrents are never selected.
//!
//! | File | Contents |
//! |---|---|
//! | `spread` | another part for each helper |

mod spread;

use std::cmp::Reverse;

use crate::snapshot::{Privacy, Snapshot, TorrentView, Unix};
use crate::verdict::{State, WANTED_COPIES, needs_seeding};
pub use spread::{Offer, choose};

/// Most entries of a selection.
pub const MAX_ENTRIES: usize = 500;

/// The bytes that a torrent of unknown size counts for in a budget, if no size of a needy torrent
/// is known.
pub const USUAL_SIZE: u64 = 10_000_000_000;

/// The weight of a torrent that is well, but not yet for long enough, in missing copies.
const RECOVERING: f64 = 0.25;

/// What a helper asks for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Query<'a> {
    /// The bytes that the helper can store; `None` without a limit.
    pub max_bytes: Option<u64>,
    /// An alive torrent with at most so many known seeders needs seeding.
    pub max_copies: u32,
    /// Only torrents of this collection.
    pub collection: Option<&'a str>,
    /// Names the helper. The same name gets the same part, as far as the needs stay.
    pub client: &'a str,
}

impl Query<'_> {
    /// The value of [`Query::max_copies`] by which the verdict remembers a need.
    pub const DEFAULT_MAX_COPIES: u32 = WANTED_COPIES - 1;
}

/// The torrents that a helper should take.
#[derive(Debug, Clone)]
pub struct Selection<'a> {
    /// The torrents, the most needed first, at most [`MAX_ENTRIES`].
    pub entries: Vec<Entry<'a>>,
    /// The number of needy torrents that the query selects from.
    pub needy: usize,
    /// The bytes of the entries as they count in the budget.
    pub bytes: u64,
}

/// A torrent that needs seeding.
#[derive(Debug, Clone, Copy)]
pub struct Entry<'a> {
    /// The torrent.
    pub view: TorrentView<'a>,
    /// The known seeders; `None` if no source counts them.
    pub copies: Option<u32>,
    /// Whether the torrent is well, but not yet for long enough.
    pub is_recovering: bool,
    /// Whether the need is only remembered: nothing says now whether the torrent still has it.
    pub is_remembered: bool,
    /// When the torrent became needy; `None` if the clock was not set.
    pub since: Option<Unix>,
    /// The bytes that count in the budget: the size, or an assumed one.
    pub bytes: u64,
}

impl<'a> Entry<'a> {
    /// Returns the entry of a torrent that needs seeding.
    fn of(view: TorrentView<'a>, query: &Query<'_>) -> Option<Self> {
        let torrent = view.torrent;
        let is_wanted = query.collection.is_none_or(|name| {
            torrent
                .collection()
                .is_some_and(|collection| **collection == *name)
        });
        if torrent.privacy != Privacy::Public || !is_wanted {
            return None;
        }
        let verdict = view.verdict;
        let copies = match verdict.state {
            State::Dead => Some(0),
            _ => view.known_copies(),
        };
        let remembered = view.needy_since.get();
        let needs = needs_seeding(verdict.state, copies, query.max_copies);
        let needed = needs_seeding(verdict.state, copies, Query::DEFAULT_MAX_COPIES);
        let is_known = remembered.is_some();
        let is_recovering = needs == Some(false) && needed == Some(false) && is_known;
        let is_remembered = needs.is_none() && is_known;
        (needs == Some(true) || is_recovering || is_remembered).then(|| Self {
            view,
            copies,
            is_recovering,
            is_remembered,
            since: remembered.or(verdict.since.get()),
            bytes: torrent.size.map_or(0, |size| size.get()),
        })
    }

    /// Returns the copies that the torrent lacks, as a weight. Where no source counts seeders, some
    /// peer is assumed to have all of the torrent.
    fn missing(&self, query: &Query<'_>) -> f64 {
        if self.is_recovering {
            return RECOVERING;
        }
        let wanted = query.max_copies.max(Query::DEFAULT_MAX_COPIES) + 1;
        f64::from(wanted.saturating_sub(self.copies.unwrap_or(1)).max(1))
    }

    /// Returns the rank among all entries: those that were seen to need seeding before those that
    /// recover; then by copies, unknown ones after one copy; then the largest.
    fn rank(&self) -> (bool, u32, bool, Reverse<u64>) {
        let copies = self.copies.unwrap_or(1);
        (
            self.is_recovering,
            copies,
            self.copies.is_none(),
            Reverse(self.bytes),
        )
    }
}

impl<'a> Selection<'a> {
    /// Selects torrents for a helper.
    pub fn of(snapshot: &'a Snapshot, query: &Query<'_>) -> Self {
        let mut needy: Vec<_> = snapshot
            .rows()
            .filter_map(|view| Entry::of(view, query))
            .collect();
        assume_sizes(&mut needy);
        let offers: Vec<_> = needy
            .iter()
            .map(|entry| Offer {
                key: key_of(entry.view),
                missing: entry.missing(query),
                bytes: entry.bytes,
            })
            .collect();
        let chosen = choose(query.client, &offers, query.max_bytes, MAX_ENTRIES);
        let mut entries: Vec<_> = chosen
            .iter()
            .filter_map(|at| needy.get(*at))
            .copied()
            .collect();
        // The order of names breaks ties.
        entries.sort_by_key(|entry| (entry.rank(), &entry.view.torrent.name));
        Self {
            needy: needy.len(),
            bytes: entries.iter().map(|entry| entry.bytes).sum(),
            entries,
        }
    }

    /// Returns when the latest entry became needy.
    pub fn latest(&self) -> Option<Unix> {
        self.entries.iter().filter_map(|entry| entry.since).max()
    }
}

/// Assumes for torrents of unknown size the mean of the known sizes.
fn assume_sizes(needy: &mut [Entry<'_>]) {
    let known = needy
        .iter()
        .map(|entry| entry.bytes)
        .filter(|bytes| *bytes > 0);
    let (count, sum) = known.fold((0, 0), |(count, sum), bytes| {
        (count + 1, sum + u128::from(bytes))
    });
    let mean = sum
        .checked_div(count)
        .map_or(USUAL_SIZE, |mean| mean as u64);
    for entry in needy.iter_mut().filter(|entry| entry.bytes == 0) {
        entry.bytes = mean;
    }
}

/// Returns the first bytes of the info-hash.
fn key_of(view: TorrentView<'_>) -> u64 {
    let hash = view.torrent.hashes.wire().next();
    let first = hash.and_then(|hash| hash.0.first_chunk().copied());
    first.map_or(0, u64::from_be_bytes)
}

#[cfg(test)]
mod tests;
