//! One round of saving: which pieces, in what order, how fast. Pure but for the clock's type.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::Written;
use crate::snapshot::Unix;
use crate::store::StoreError;
use crate::swarm::Part;

/// Torrents in a part, as a rule.
const TORRENTS: u64 = 1024;
/// Bytes in a part, as a rule: encoded within a few milliseconds.
const BYTES: u64 = 4 << 20;
/// Most parts.
const MAX_PARTS: u32 = 256;

/// Longest time between two parts: few of them need not wait for each other.
const LONGEST_GAP: Duration = Duration::from_secs(1);

/// Something that is saved in one go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece {
    /// The directory is there, and its key is ours.
    Claim,
    Table,
    Trackers,
    Torrents(Part),
    Fleet,
    /// Parts of earlier rounds, of which there was another number, are removed.
    Tidy,
}

/// In how many parts torrents are saved that took so many bytes lately: a power of two. Going to and
/// fro would write all of them anew for nothing, so it takes a quarter to have fewer.
pub(super) fn parts(torrents: usize, bytes: u64, before: u32) -> u32 {
    let wanted = (torrents as u64).div_ceil(TORRENTS).max(bytes / BYTES);
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
    parts: u32,
    pieces: VecDeque<Piece>,
    current: Option<Piece>,
    bytes: u64,
    failed: Option<StoreError>,
}

impl Round {
    pub(super) fn new(parts: u32, started: Instant, began: Unix) -> Self {
        let torrents = (0..parts).map(|index| Piece::Torrents(Part { index, of: parts }));
        let pieces = [Piece::Claim, Piece::Table, Piece::Trackers]
            .into_iter()
            .chain(torrents)
            // The calendar must not be older than what goes by it.
            .chain([Piece::Fleet, Piece::Tidy]);
        Self {
            started,
            began,
            parts,
            pieces: pieces.collect(),
            current: None,
            bytes: 0,
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
            Some(Piece::Torrents(_)) => LONGEST_GAP.min(interval * 4 / 5 / self.parts),
            _ => Duration::ZERO,
        }
    }

    /// Takes in what became of the current piece. Others are saved all the same, unless the
    /// directory is not ours; but what they replace is not removed.
    pub(super) fn book(&mut self, outcome: Written) {
        match outcome {
            Ok(bytes) if matches!(self.current, Some(Piece::Torrents(_))) => self.bytes += bytes,
            Ok(_) => {}
            Err(error) => {
                match self.current {
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

    /// When it began and the bytes of all torrents, or the first thing that went wrong.
    pub(super) fn finish(self) -> Result<(Unix, u64), StoreError> {
        match self.failed {
            None => Ok((self.began, self.bytes)),
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
        for (interval, parts, whole) in [(300, 256, 240), (300, 16, 16), (1, 256, 1), (3600, 1, 1)]
        {
            let interval = Duration::from_secs(interval);
            let mut round = Round::new(parts, Instant::now(), Unix(0));
            let mut sum = Duration::ZERO;
            let mut pieces = 0;
            while round.next().is_some() {
                sum += round.gap(interval);
                pieces += 1;
            }
            assert_eq!(pieces, parts + 5);
            assert!(sum <= Duration::from_secs(whole), "{sum:?}");
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
        let mut round = Round::new(2, Instant::now(), Unix(7));
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

        let mut round = Round::new(2, Instant::now(), Unix(7));
        while round.next().is_some() {
            round.book(Ok(10));
        }
        assert_eq!(round.finish().unwrap(), (Unix(7), 20));
    }

    #[test]
    fn nothing_is_written_into_a_directory_that_is_not_ours() {
        let mut round = Round::new(2, Instant::now(), Unix(7));
        assert_eq!(round.next(), Some(Piece::Claim));
        round.book(full());
        assert!(round.is_over() && round.next().is_none());
    }
}
