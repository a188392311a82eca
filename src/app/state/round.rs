//! One round of saving: which pieces, in what order, how fast. Pure but for the clock's type.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Written;
use crate::store::StoreError;
use seedwatch_core::snapshot::Unix;
use seedwatch_core::swarm::Shard;

/// Torrents or collections in a part, as a rule.
const MEMBERS: u64 = 1024;
/// Bytes in a part, as a rule: encoded within a few milliseconds.
const BYTES: u64 = 4 << 20;
/// Most parts.
pub(super) const MAX_PARTS: u32 = 256;

/// Longest time between two parts: few of them need not wait for each other.
const LONGEST_GAP: Duration = Duration::from_secs(1);

/// Something that is saved in one go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    /// The directory is there, and its key is ours.
    Claim,
    Table,
    Trackers,
    Shard(Group, Shard),
    /// Parts of earlier rounds, of which there was another number, are removed.
    Tidy,
}

/// What is written in parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    Torrents,
    Fleet,
}

impl Group {
    /// In the order of writing: who writes torrents down also tells the fleet who was last seen when.
    pub(super) const ALL: [Self; 2] = [Self::Torrents, Self::Fleet];

    pub(super) const fn index(self) -> usize {
        self as usize
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Torrents => "torrents",
            Self::Fleet => "fleet",
        }
    }

    /// The section of a part.
    pub(super) fn section(self, part: Shard) -> String {
        format!("{}-{}-{}", self.name(), part.of, part.index)
    }

    /// What a section is a part of, and of how many.
    pub(super) fn of(section: &str) -> Option<(Self, u32)> {
        let (name, numbers) = section.split_once('-')?;
        let group = Self::ALL.into_iter().find(|group| group.name() == name)?;
        let (of, _) = numbers.split_once('-')?;
        Some((group, of.parse().ok()?))
    }

    /// The part of a group that a section is, if there can be such a part.
    pub(super) fn part(section: &str) -> Option<(Self, Shard)> {
        let (group, of) = Self::of(section)?;
        let (_, index) = section.rsplit_once('-')?;
        let index = index.parse().ok()?;
        let part = Shard { index, of };
        (index < of && of <= MAX_PARTS).then_some((group, part))
    }
}

/// How a group is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Split {
    pub(super) parts: u32,
    /// Of all parts together, lately.
    pub(super) bytes: u64,
}

/// By [`Group::index`].
pub(super) type Splits = [Split; Group::ALL.len()];

impl Default for Split {
    fn default() -> Self {
        Self { parts: 1, bytes: 0 }
    }
}

impl Split {
    /// As many parts as so many members call for.
    pub(super) fn fit(&mut self, members: usize) {
        self.parts = parts(members, self.bytes, self.parts);
    }
}

/// In how many parts members are saved that took so many bytes lately: a power of two. Going to and
/// fro would write all of them anew for nothing, so it takes a quarter to have fewer.
fn parts(members: usize, bytes: u64, before: u32) -> u32 {
    let wanted = (members as u64).div_ceil(MEMBERS).max(bytes / BYTES);
    let wanted = u32::try_from(wanted).unwrap_or(MAX_PARTS);
    let wanted = wanted.clamp(1, MAX_PARTS).next_power_of_two();
    let fits = wanted <= before && before <= MAX_PARTS && before.is_power_of_two();
    match fits && wanted > before / 4 {
        true => before,
        false => wanted,
    }
}

/// A round under way.
#[derive(Debug)]
pub(super) struct Round {
    pub(super) started: Instant,
    began: Unix,
    /// With the bytes of this round.
    splits: Splits,
    pieces: VecDeque<Piece>,
    current: Option<Piece>,
    failed: Option<StoreError>,
}

impl Round {
    pub(super) fn new(splits: Splits, started: Instant, began: Unix) -> Self {
        let parts = Group::ALL.into_iter().flat_map(|group| {
            let of = splits[group.index()].parts;
            (0..of).map(move |index| Piece::Shard(group, Shard { index, of }))
        });
        let pieces = [Piece::Claim, Piece::Table, Piece::Trackers]
            .into_iter()
            .chain(parts)
            .chain([Piece::Tidy]);
        Self {
            started,
            began,
            splits: splits.map(|split| Split { bytes: 0, ..split }),
            pieces: pieces.collect(),
            current: None,
            failed: None,
        }
    }

    /// What is to be saved next.
    pub(super) fn next(&mut self) -> Option<Piece> {
        self.current = self.pieces.pop_front();
        self.current
    }

    /// How long after the start of this piece the next may begin.
    pub(super) fn gap(&self, interval: Duration) -> Duration {
        match self.current {
            Some(Piece::Shard(..)) => {
                let parts: u32 = self.splits.iter().map(|split| split.parts).sum();
                LONGEST_GAP.min(interval * 4 / 5 / parts)
            }
            _ => Duration::ZERO,
        }
    }

    /// Takes in what became of the current piece. Others are saved all the same, unless the
    /// directory is not ours; but what they replace is not removed.
    pub(super) fn book(&mut self, outcome: Written) {
        match (outcome, self.current) {
            (Ok(bytes), Some(Piece::Shard(group, _))) => self.splits[group.index()].bytes += bytes,
            (Ok(_), _) => {}
            (Err(error), current) => {
                match current {
                    Some(Piece::Claim) => self.pieces.clear(),
                    _ => self.pieces.retain(|piece| *piece != Piece::Tidy),
                }
                self.failed.get_or_insert(error);
            }
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.pieces.is_empty()
    }

    /// When it began and what it wrote, or the first thing that went wrong.
    pub(super) fn finish(self) -> Result<(Unix, Splits), StoreError> {
        match self.failed {
            None => Ok((self.began, self.splits)),
            Some(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_follow_the_fleet_with_patience() {
        for (torrents, bytes, before, expected) in [
            (0, 0, 1, 1),
            (1024, 0, 1, 1),
            (1025, 0, 1, 2),
            (100_000, 420 << 20, 1, 128),
            (1000, 100 << 20, 1, 32),
            (10_000_000, u64::MAX, 1, 256),
            (0, 0, 2, 2),
            (0, 0, 4, 1),
            (3000, 0, 8, 8),
            (3000, 0, 16, 4),
            // What stands in the names of files may be anything.
            (10, 0, 3, 1),
            (10, 0, 0, 1),
            (10, 0, u32::MAX, 1),
            (usize::MAX, 0, 512, 256),
        ] {
            let found = parts(torrents, bytes, before);
            assert_eq!(found, expected, "{torrents} {bytes} {before}");
        }
    }

    #[test]
    fn a_round_is_over_well_before_the_next() {
        for (interval, parts, whole) in [(300, 256, 240), (300, 16, 17), (1, 256, 1), (3600, 1, 2)]
        {
            let interval = Duration::from_secs(interval);
            let mut round = Round::new(split(parts), Instant::now(), Unix(0));
            let mut sum = Duration::ZERO;
            let mut pieces = 0;
            while round.next().is_some() {
                sum += round.gap(interval);
                pieces += 1;
            }
            assert_eq!(pieces, parts + 5, "one of them is the fleet");
            assert!(sum <= Duration::from_secs(whole), "{sum:?}");
        }
    }

    /// Torrents in so many parts, the fleet in one.
    fn split(parts: u32) -> Splits {
        [Split { parts, bytes: 99 }, Split::default()]
    }

    #[test]
    fn a_section_tells_what_it_is_a_part_of() {
        for group in Group::ALL {
            let part = Shard { index: 3, of: 8 };
            assert_eq!(Group::of(&group.section(part)), Some((group, 8)));
            assert_eq!(Group::part(&group.section(part)), Some((group, part)));
        }
        for other in [
            "key",
            "fleet",
            "torrents",
            "torrents-4",
            "torrents-x-1",
            "dht-4-2",
            "",
        ] {
            assert_eq!(Group::of(other), None, "{other}");
        }
        let last = Shard {
            index: MAX_PARTS - 1,
            of: MAX_PARTS,
        };
        let part = Group::part(&Group::Torrents.section(last));
        assert_eq!(part, Some((Group::Torrents, last)));
        for other in [
            "fleet-4-4",
            "fleet-257-0",
            "fleet-0-0",
            "fleet-4-x",
            "fleet-4-",
        ] {
            assert_eq!(Group::part(other), None, "{other}");
        }
    }

    fn full() -> Written {
        Err(StoreError::Save {
            path: "x".into(),
            source: std::io::ErrorKind::StorageFull.into(),
        })
    }

    #[test]
    fn one_failure_spoils_the_round_but_not_the_rest_of_it() {
        let mut round = Round::new(split(2), Instant::now(), Unix(7));
        let mut saved = Vec::new();
        while let Some(piece) = round.next() {
            saved.push(piece);
            round.book(match piece {
                Piece::Trackers => full(),
                _ => Ok(10),
            });
        }
        assert_eq!(saved.len(), 6, "{saved:?}");
        assert!(!saved.contains(&Piece::Tidy));
        assert!(round.is_over() && round.finish().is_err());

        let mut round = Round::new(split(2), Instant::now(), Unix(7));
        while round.next().is_some() {
            round.book(Ok(10));
        }
        let (began, splits) = round.finish().unwrap();
        assert_eq!(
            (began, splits.map(|split| split.bytes)),
            (Unix(7), [20, 10])
        );
    }

    #[test]
    fn nothing_is_written_into_a_directory_that_is_not_ours() {
        let mut round = Round::new(split(2), Instant::now(), Unix(7));
        assert_eq!(round.next(), Some(Piece::Claim));
        round.book(full());
        assert!(round.is_over() && round.next().is_none());
    }
}
