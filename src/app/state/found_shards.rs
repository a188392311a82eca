//! Which shards of the state are there. Pure.
//!
//! A pass writes all its shards before it removes those of an earlier pass that had another number
//! of shards. So whenever the process ends, one complete set is there; otherwise a file is missing.

use std::collections::{BTreeMap, BTreeSet};

use super::save_pass::Group;
use seedwatch_core::swarm::Shard;

/// The shards that were found.
#[derive(Debug, Default)]
pub(super) struct FoundShards {
    /// By [`Group::index`] and number of shards: the readable shards.
    groups: [BTreeMap<u32, BTreeSet<u32>>; Group::ALL.len()],
}

impl FoundShards {
    /// Adds a section that is there. `is_readable` says whether its content was restored.
    pub(super) fn add(&mut self, section: &str, is_readable: bool) {
        let Some((group, shard)) = Group::shard(section) else {
            return;
        };
        let here = self.groups[group.index()].entry(shard.of).or_default();
        if is_readable {
            here.insert(shard.index);
        }
    }

    /// Returns whether a complete set of a group was restored.
    pub(super) fn is_complete(&self, group: Group) -> bool {
        self.best(group)
            .is_some_and(|(of, here)| here.len() == of as usize)
    }

    /// Returns the shards that should be there and are missing or unreadable.
    pub(super) fn missing(&self) -> Vec<(Group, Shard)> {
        let torrents = self
            .lost()
            .into_iter()
            .map(|shard| (Group::Torrents, shard));
        let others = [Group::Shared, Group::Cliffs].into_iter();
        let others = others.flat_map(|group| {
            let missing = self.missing_of(group);
            missing.map(move |shard| (group, shard))
        });
        torrents.chain(others).collect()
    }

    /// Returns the shards of torrents whose history is lost. Shared shards are written after those
    /// of torrents; where they are found without any of these, all torrents are lost.
    pub(super) fn lost(&self) -> Vec<Shard> {
        let torrents = self.best(Group::Torrents).is_some();
        let shared = self.best(Group::Shared).is_some();
        match shared && !torrents {
            true => vec![Shard { index: 0, of: 1 }],
            false => self.missing_of(Group::Torrents).collect(),
        }
    }

    fn missing_of(&self, group: Group) -> impl Iterator<Item = Shard> {
        let best = self.best(group).into_iter();
        best.flat_map(|(of, here)| {
            let indices = (0..of).filter(|index| !here.contains(index));
            indices.map(move |index| Shard { index, of })
        })
    }

    /// Returns the set of which the largest share is readable, with its number of shards.
    fn best(&self, group: Group) -> Option<(u32, &BTreeSet<u32>)> {
        let sets = self.groups[group.index()].iter();
        let share = |of: u32, here: &BTreeSet<u32>| here.len() as u64 * u64::from(u32::MAX / of);
        sets.map(|(of, here)| (*of, here))
            .max_by_key(|(of, here)| (here.len() == *of as usize, share(*of, here)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shards(found: &[(&str, bool)]) -> FoundShards {
        let mut shards = FoundShards::default();
        for (section, is_readable) in found {
            shards.add(section, *is_readable);
        }
        shards
    }

    #[test]
    fn nothing_is_missing_beside_a_complete_set() {
        for found in [
            &[][..],
            &[("torrents-1-0", true), ("shared-1-0", true)],
            // The first pass was interrupted.
            &[("torrents-1-0", true)],
            // A set with another number of shards was being written, or removed.
            &[
                ("torrents-1-0", true),
                ("torrents-4-0", true),
                ("torrents-4-1", true),
            ],
            &[
                ("torrents-2-0", true),
                ("torrents-2-1", true),
                ("torrents-4-3", false),
            ],
            // Names that no pass writes.
            &[
                ("torrents-0-0", true),
                ("torrents-4294967295-7", true),
                ("dht", true),
            ],
        ] {
            let shards = shards(found);
            assert_eq!(shards.missing(), [], "{found:?}");
            assert_eq!(shards.lost(), [], "{found:?}");
        }
    }

    #[test]
    fn missing_and_unreadable_shards_are_reported() {
        let shard = |index, of| Shard { index, of };
        for (found, lost) in [
            (
                &[
                    ("torrents-4-0", true),
                    ("torrents-4-3", true),
                    ("torrents-4-2", false),
                ][..],
                &[shard(1, 4), shard(2, 4)][..],
            ),
            (
                &[("torrents-1-0", false), ("shared-1-0", true)],
                &[shard(0, 1)],
            ),
            (&[("shared-1-0", true)], &[shard(0, 1)]),
            (
                &[("torrents-2-1", true), ("torrents-8-0", true)],
                &[shard(0, 2)],
            ),
        ] {
            assert_eq!(shards(found).lost(), lost, "{found:?}");
        }
        let shards = shards(&[
            ("torrents-1-0", true),
            ("shared-2-1", true),
            ("cliffs-2-0", true),
        ]);
        let missing = [(Group::Shared, shard(0, 2)), (Group::Cliffs, shard(1, 2))];
        assert_eq!(shards.missing(), missing);
        assert_eq!(shards.lost(), []);
        assert!(shards.is_complete(Group::Torrents) && !shards.is_complete(Group::Shared));
    }
}
