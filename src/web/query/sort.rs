//! The orders of torrents, and the selection of one page.

use std::fmt;
use std::num::NonZeroU64;

use crate::web::parameters::{QueryError, listed};
use seedwatch_core::snapshot::TorrentView;
use seedwatch_core::verdict::{Conditions, State, Verdict};

/// An order of torrents. Torrents without the value come last in both directions, and those with
/// the same value are sorted by name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sort {
    /// The value that is compared.
    pub key: SortKey,
    /// Whether the largest value comes first.
    pub reversed: bool,
}

/// The value by which torrents are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SortKey {
    /// How urgent the torrent is, the most urgent first.
    #[default]
    Urgency,
    /// The name.
    Name,
    /// Current peers over both families.
    Peers,
    /// The largest number of seeders that a tracker claims.
    Seeders,
    /// The size of the files.
    Size,
    /// The time at which the torrent came into its state.
    Since,
}

impl SortKey {
    /// All keys.
    pub const ALL: [Self; 6] = [
        Self::Urgency,
        Self::Name,
        Self::Peers,
        Self::Seeders,
        Self::Size,
        Self::Since,
    ];

    /// Returns the name of the key in a query.
    pub const fn as_label(self) -> &'static str {
        match self {
            Self::Urgency => "urgency",
            Self::Name => "name",
            Self::Peers => "peers",
            Self::Seeders => "seeders",
            Self::Size => "size",
            Self::Since => "since",
        }
    }
}

/// What a torrent is sorted by: its value, then its index, which is in the order of names.
pub(super) type Position = (u64, u32);

/// The value of torrents without one, behind all others.
const UNKNOWN: u64 = u64::MAX;

/// The largest value that is known.
const LARGEST: u64 = UNKNOWN - 1;

impl Sort {
    /// By name.
    pub const NAME: Self = Self {
        key: SortKey::Name,
        reversed: false,
    };

    /// The latest change of state first.
    pub const LATEST: Self = Self {
        key: SortKey::Since,
        reversed: true,
    };

    /// Reads the name of an order, with `-` in front for the reverse.
    pub(super) fn parse(text: &str) -> Result<Self, QueryError> {
        let (name, reversed) = match text.strip_prefix('-') {
            Some(name) => (name, true),
            None => (text, false),
        };
        let key = SortKey::ALL.into_iter().find(|key| key.as_label() == name);
        key.map(|key| Self { key, reversed }).ok_or_else(|| {
            let labels = SortKey::ALL.map(SortKey::as_label);
            let expected = format!("{}, or one of them after a -", listed(&labels, "or"));
            QueryError::invalid("sort", expected)
        })
    }

    /// Returns the position of the torrent at an index of the snapshot, whose torrents are sorted
    /// by name.
    pub(super) fn position(self, index: usize, view: TorrentView<'_>) -> Position {
        let value = match self.key {
            SortKey::Urgency => Some(rank(view.verdict) as u64),
            SortKey::Name => Some(index as u64),
            SortKey::Peers => {
                let known = view.peers.iter().filter_map(|count| count.get());
                known.map(u64::from).reduce(|a, b| a + b)
            }
            SortKey::Seeders => view.seeders.get().map(u64::from),
            SortKey::Size => view.torrent.size.map(NonZeroU64::get),
            SortKey::Since => view.verdict.since.get().map(|at| at.0),
        };
        let value = value.map(|value| value.min(LARGEST));
        let value = match self.reversed {
            true => value.map(|value| LARGEST - value),
            false => value,
        };
        (value.unwrap_or(UNKNOWN), index as u32)
    }
}

impl fmt::Display for Sort {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.reversed { "-" } else { "" };
        write!(to, "{sign}{}", self.key.as_label())
    }
}

/// Returns the rank of a verdict, the most urgent first. A living torrent with a condition comes
/// before those that nothing is known about yet.
pub(in crate::web) fn rank(verdict: Verdict) -> usize {
    let has_condition = verdict.conditions != Conditions::default();
    match verdict.state {
        State::Dead => 0,
        State::AtRisk => 1,
        State::Unobserved => 2,
        State::Alive if has_condition => 3,
        State::Pending => 4,
        State::Alive => 5,
        State::Private => 6,
    }
}

/// Returns the indices at positions `start..end` of the order. Sorts only these.
pub(super) fn part(found: &mut [Position], start: usize, end: usize) -> Vec<usize> {
    if start > 0 && start < found.len() {
        found.select_nth_unstable(start);
    }
    let rest = found.get_mut(start..).unwrap_or_default();
    let length = end.saturating_sub(start).min(rest.len());
    if length > 0 && length < rest.len() {
        rest.select_nth_unstable(length - 1);
    }
    let page = rest.get_mut(..length).unwrap_or_default();
    page.sort_unstable();
    page.iter().map(|(_, index)| *index as usize).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_have_names_and_reverses() {
        for key in SortKey::ALL {
            for reversed in [false, true] {
                let sort = Sort { key, reversed };
                assert_eq!(Sort::parse(&sort.to_string()), Ok(sort));
            }
        }
        for text in ["--name", "Name", "-", "+name", "names", " name"] {
            let error = Sort::parse(text).unwrap_err();
            assert_eq!(
                error.to_string(),
                "sort must be urgency, name, peers, seeders, size or since, or one of them after a \
                 -"
            );
        }
    }

    #[test]
    fn a_part_is_what_a_full_sort_has_there() {
        // A fixed permutation with repeated values.
        let all: Vec<Position> = (0..500u32).map(|n| (u64::from(n * 7919 % 97), n)).collect();
        let mut sorted = all.clone();
        sorted.sort_unstable();
        for (start, end) in [
            (0, 0),
            (0, 1),
            (0, 10),
            (10, 20),
            (490, 500),
            (499, 500),
            (0, 500),
            (500, 500),
            (0, 499),
        ] {
            let expected = sorted[start..end].iter().map(|(_, index)| *index as usize);
            let found = part(&mut all.clone(), start, end);
            assert!(found.into_iter().eq(expected), "{start}..{end}");
        }
    }
}
