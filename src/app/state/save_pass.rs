//! One pass of saving: which steps, in which order, how fast. Pure apart from the type of its
//! clock.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::SaveOutcome;
use crate::store::StoreError;
use seedwatch_core::snapshot::Unix;
use seedwatch_core::swarm::{Shard, ShardFormat};

/// Torrents or collections per shard.
const ENTRIES: u64 = 1024;
/// Bytes per shard, which take a few milliseconds to encode.
const BYTES: u64 = 4 << 20;
/// Most shards of a group.
pub(super) const MAX_SHARDS: u32 = 256;

/// Version of the shards of [`Group::Cliffs`].
const CLIFFS_VERSION: u16 = 1;

/// Longest time between two shards. With few shards, a pass need not fill its interval.
const LONGEST_GAP: Duration = Duration::from_secs(1);

/// A step of a pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SaveStep {
    /// Checks that the directory is there and that its key is ours.
    Claim,
    Nodes,
    Trackers,
    Shard(Group, Shard),
    /// Removes the shards of earlier passes, of which there was another number.
    RemoveOldShards,
}

/// A kind of sections that are written in shards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Group {
    Torrents,
    /// Peers of collections and of all torrents.
    Shared,
    /// Peers by country of the last two days, and falls, of torrents and collections.
    Cliffs,
}

impl Group {
    /// All groups in the order of writing. Encoding torrents also flushes pending last-seen hours
    /// into the shared sets, so these come after.
    pub(super) const ALL: [Self; 3] = [Self::Torrents, Self::Shared, Self::Cliffs];

    pub(super) const fn index(self) -> usize {
        self as usize
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Torrents => "torrents",
            Self::Shared => "shared",
            Self::Cliffs => "cliffs",
        }
    }

    /// Returns the version in which its shards are written.
    pub(super) const fn version(self) -> u16 {
        match self {
            Self::Torrents | Self::Shared => ShardFormat::VERSION,
            Self::Cliffs => CLIFFS_VERSION,
        }
    }

    /// Returns the name of the section of a shard.
    pub(super) fn section(self, shard: Shard) -> String {
        format!("{}-{}-{}", self.name(), shard.of, shard.index)
    }

    /// Returns the group of a section and its number of shards; `None` for other sections.
    pub(super) fn of(section: &str) -> Option<(Self, u32)> {
        let (name, numbers) = section.split_once('-')?;
        let group = Self::ALL.into_iter().find(|group| group.name() == name)?;
        let (of, _) = numbers.split_once('-')?;
        Some((group, of.parse().ok()?))
    }

    /// Returns the group and shard of a section; `None` if no pass writes such a shard.
    pub(super) fn shard(section: &str) -> Option<(Self, Shard)> {
        let (group, of) = Self::of(section)?;
        let (_, index) = section.rsplit_once('-')?;
        let index = index.parse().ok()?;
        let shard = Shard { index, of };
        (index < of && of <= MAX_SHARDS).then_some((group, shard))
    }
}

/// The size of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sharding {
    pub(super) shards: u32,
    /// Bytes of all shards in the last pass.
    pub(super) bytes: u64,
}

/// The sizes of all groups, by [`Group::index`].
pub(super) type Shardings = [Sharding; Group::ALL.len()];

impl Default for Sharding {
    fn default() -> Self {
        Self {
            shards: 1,
            bytes: 0,
        }
    }
}

impl Sharding {
    /// Adapts the number of shards to the number of torrents or collections.
    pub(super) fn fit(&mut self, entries: usize) {
        self.shards = shards(entries, self.bytes, self.shards);
    }
}

/// Returns the number of shards for entries that last took `bytes`: a power of two. A change writes
/// every shard again, so the number falls only once a quarter of the shards suffices.
fn shards(entries: usize, bytes: u64, before: u32) -> u32 {
    let wanted = (entries as u64).div_ceil(ENTRIES).max(bytes / BYTES);
    let wanted = u32::try_from(wanted).unwrap_or(MAX_SHARDS);
    let wanted = wanted.clamp(1, MAX_SHARDS).next_power_of_two();
    let fits = wanted <= before && before <= MAX_SHARDS && before.is_power_of_two();
    match fits && wanted > before / 4 {
        true => before,
        false => wanted,
    }
}

/// A pass under way.
#[derive(Debug)]
pub(super) struct SavePass {
    pub(super) started: Instant,
    started_at: Unix,
    /// The sizes of groups, with the bytes of this pass so far.
    shardings: Shardings,
    steps: VecDeque<SaveStep>,
    current: Option<SaveStep>,
    error: Option<StoreError>,
}

impl SavePass {
    pub(super) fn new(shardings: Shardings, started: Instant, started_at: Unix) -> Self {
        let shards = Group::ALL.into_iter().flat_map(|group| {
            let of = shardings[group.index()].shards;
            (0..of).map(move |index| SaveStep::Shard(group, Shard { index, of }))
        });
        let steps = [SaveStep::Claim, SaveStep::Nodes, SaveStep::Trackers]
            .into_iter()
            .chain(shards)
            .chain([SaveStep::RemoveOldShards]);
        Self {
            started,
            started_at,
            shardings: shardings.map(|sharding| Sharding {
                bytes: 0,
                ..sharding
            }),
            steps: steps.collect(),
            current: None,
            error: None,
        }
    }

    /// Moves to the next step and returns it.
    pub(super) fn next(&mut self) -> Option<SaveStep> {
        self.current = self.steps.pop_front();
        self.current
    }

    /// Returns how long after the start of the current step the next may begin.
    pub(super) fn gap(&self, interval: Duration) -> Duration {
        match self.current {
            Some(SaveStep::Shard(..)) => {
                let shards: u32 = self.shardings.iter().map(|sharding| sharding.shards).sum();
                LONGEST_GAP.min(interval * 4 / 5 / shards)
            }
            _ => Duration::ZERO,
        }
    }

    /// Records the outcome of the current step. After a failed claim, nothing else is written;
    /// after any other failure, old shards are not removed.
    pub(super) fn record(&mut self, outcome: SaveOutcome) {
        match (outcome, self.current) {
            (Ok(bytes), Some(SaveStep::Shard(group, _))) => {
                self.shardings[group.index()].bytes += bytes
            }
            (Ok(_), _) => {}
            (Err(error), current) => {
                match current {
                    Some(SaveStep::Claim) => self.steps.clear(),
                    _ => self.steps.retain(|step| *step != SaveStep::RemoveOldShards),
                }
                self.error.get_or_insert(error);
            }
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.steps.is_empty()
    }

    /// Returns the start and the sizes of the pass, or its first error.
    pub(super) fn finish(self) -> Result<(Unix, Shardings), StoreError> {
        match self.error {
            None => Ok((self.started_at, self.shardings)),
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
            // Names of files may state any number.
            (10, 0, 3, 1),
            (10, 0, 0, 1),
            (10, 0, u32::MAX, 1),
            (usize::MAX, 0, 512, 256),
        ] {
            let found = shards(torrents, bytes, before);
            assert_eq!(found, expected, "{torrents} {bytes} {before}");
        }
    }

    #[test]
    fn a_pass_ends_well_before_the_next() {
        for (interval, shards, whole) in [(300, 256, 240), (300, 16, 18), (1, 256, 1), (3600, 1, 3)]
        {
            let interval = Duration::from_secs(interval);
            let mut pass = SavePass::new(shardings(shards), Instant::now(), Unix(0));
            let mut sum = Duration::ZERO;
            let mut steps = 0;
            while pass.next().is_some() {
                sum += pass.gap(interval);
                steps += 1;
            }
            assert_eq!(steps, shards + 6, "two of them are the other shards");
            assert!(sum <= Duration::from_secs(whole), "{sum:?}");
        }
    }

    /// Torrents in `shards`, the others in one each.
    fn shardings(shards: u32) -> Shardings {
        let one = Sharding::default();
        [Sharding { shards, bytes: 99 }, one, one]
    }

    #[test]
    fn section_names_state_group_and_shard() {
        for group in Group::ALL {
            let shard = Shard { index: 3, of: 8 };
            assert_eq!(Group::of(&group.section(shard)), Some((group, 8)));
            assert_eq!(Group::shard(&group.section(shard)), Some((group, shard)));
        }
        for other in [
            "key",
            "shared",
            "torrents",
            "torrents-4",
            "torrents-x-1",
            "dht-4-2",
            "",
        ] {
            assert_eq!(Group::of(other), None, "{other}");
        }
        let last = Shard {
            index: MAX_SHARDS - 1,
            of: MAX_SHARDS,
        };
        let found = Group::shard(&Group::Torrents.section(last));
        assert_eq!(found, Some((Group::Torrents, last)));
        for other in [
            "shared-4-4",
            "shared-257-0",
            "shared-0-0",
            "shared-4-x",
            "shared-4-",
        ] {
            assert_eq!(Group::shard(other), None, "{other}");
        }
    }

    /// Returns the outcome of a step on a full disk.
    fn full() -> SaveOutcome {
        Err(StoreError::Save {
            path: "x".into(),
            source: std::io::ErrorKind::StorageFull.into(),
        })
    }

    #[test]
    fn after_a_failure_other_steps_are_written_but_nothing_is_removed() {
        let mut pass = SavePass::new(shardings(2), Instant::now(), Unix(7));
        let mut saved = Vec::new();
        while let Some(step) = pass.next() {
            saved.push(step);
            pass.record(match step {
                SaveStep::Trackers => full(),
                _ => Ok(10),
            });
        }
        assert_eq!(saved.len(), 7, "{saved:?}");
        assert!(!saved.contains(&SaveStep::RemoveOldShards));
        assert!(pass.is_over() && pass.finish().is_err());

        let mut pass = SavePass::new(shardings(2), Instant::now(), Unix(7));
        while pass.next().is_some() {
            pass.record(Ok(10));
        }
        let (started_at, shardings) = pass.finish().unwrap();
        assert_eq!(
            (started_at, shardings.map(|sharding| sharding.bytes)),
            (Unix(7), [20, 10, 10])
        );
    }

    #[test]
    fn nothing_is_written_after_a_failed_claim() {
        let mut pass = SavePass::new(shardings(2), Instant::now(), Unix(7));
        assert_eq!(pass.next(), Some(SaveStep::Claim));
        pass.record(full());
        assert!(pass.is_over() && pass.next().is_none());
    }
}
