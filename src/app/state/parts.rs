//! Which parts of the state are there. Pure.
//!
//! A round writes all parts before it removes those of an earlier round that had another number of
//! parts. So whenever the process ends, one whole set is there; otherwise a file is missing.

use std::collections::{BTreeMap, BTreeSet};

use super::round::Group;
use seedwatch_core::swarm::Shard;

/// What was found, by [`Group::index`].
#[derive(Debug, Default)]
pub(super) struct Parts {
    groups: [BTreeMap<u32, BTreeSet<u32>>; Group::ALL.len()],
}

impl Parts {
    /// A section is there; `is_whole` if its content is of use.
    pub(super) fn add(&mut self, section: &str, is_whole: bool) {
        let Some((group, part)) = Group::part(section) else {
            return;
        };
        let here = self.groups[group.index()].entry(part.of).or_default();
        if is_whole {
            here.insert(part.index);
        }
    }

    /// Whether one whole set of a group was found.
    pub(super) fn is_complete(&self, group: Group) -> bool {
        self.best(group)
            .is_some_and(|(of, here)| here.len() == of as usize)
    }

    /// Returns the parts that should be there and are not, or are of no use.
    pub(super) fn missing(&self) -> Vec<(Group, Shard)> {
        let torrents = self.lost().into_iter().map(|part| (Group::Torrents, part));
        let fleet = self.missing_of(Group::Fleet);
        torrents
            .chain(fleet.map(|part| (Group::Fleet, part)))
            .collect()
    }

    /// Returns the parts of the torrents whose past is lost. What torrents share is written after
    /// them: where it is found without any of them, all of them are lost.
    pub(super) fn lost(&self) -> Vec<Shard> {
        let torrents = self.best(Group::Torrents).is_some();
        let fleet = self.best(Group::Fleet).is_some();
        match fleet && !torrents {
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

    /// The set of which the largest share is there, with its number of parts.
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

    fn parts(found: &[(&str, bool)]) -> Parts {
        let mut parts = Parts::default();
        for (section, is_whole) in found {
            parts.add(section, *is_whole);
        }
        parts
    }

    #[test]
    fn a_whole_set_is_enough() {
        for found in [
            &[][..],
            &[("torrents-1-0", true), ("fleet-1-0", true)],
            // The first round was cut short.
            &[("torrents-1-0", true)],
            // Another number of parts was being written, or the parts before were being removed.
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
            // Names that no round writes.
            &[
                ("torrents-0-0", true),
                ("torrents-4294967295-7", true),
                ("dht", true),
            ],
        ] {
            let parts = parts(found);
            assert_eq!(parts.missing(), [], "{found:?}");
            assert_eq!(parts.lost(), [], "{found:?}");
        }
    }

    #[test]
    fn what_is_missing_is_found() {
        let part = |index, of| Shard { index, of };
        for (found, lost) in [
            (
                &[
                    ("torrents-4-0", true),
                    ("torrents-4-3", true),
                    ("torrents-4-2", false),
                ][..],
                &[part(1, 4), part(2, 4)][..],
            ),
            (
                &[("torrents-1-0", false), ("fleet-1-0", true)],
                &[part(0, 1)],
            ),
            (&[("fleet-1-0", true)], &[part(0, 1)]),
            (
                &[("torrents-2-1", true), ("torrents-8-0", true)],
                &[part(0, 2)],
            ),
        ] {
            assert_eq!(parts(found).lost(), lost, "{found:?}");
        }
        let parts = parts(&[("torrents-1-0", true), ("fleet-2-1", true)]);
        assert_eq!(parts.missing(), [(Group::Fleet, part(0, 2))]);
        assert_eq!(parts.lost(), []);
        assert!(parts.is_complete(Group::Torrents) && !parts.is_complete(Group::Fleet));
    }
}
