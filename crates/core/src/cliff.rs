//! Cliffs: a drop in the peers of one country or autonomous system that the others do not share.
//!
//! A *group* is a torrent, a collection, or all torrents together. Its *members* are the countries
//! (or systems) of its peers. A cliff is the ratio of a member's current peers to the expected
//! ones, while a fall holds:
//!
//! - What is expected are the same hours of yesterday, or of the day before if they had fewer: the
//!   end of a crowd of one day is no fall.
//! - The other members of the group correct it: if they fall too, the whole swarm shrinks. If they
//!   lose more than half, nothing can be said about one member.
//! - A change of what we can see is no evidence: a source, a family of our network, the database of
//!   countries, the torrents of a collection. After it, the last hours and yesterday's rhythm are
//!   compared, until two days are comparable again.
//!
//! A member with [`MANY_PEERS`] expected peers is checked per sample, and has fallen below
//! [`FALL_OF_MANY`]; one with [`SOME_PEERS`] per hourly mean, below [`FALL_OF_SOME`]. Only members
//! that had [`SOME_PEERS`] peers within two days are watched, each in 120 bytes.

mod group;
mod hourly;

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

pub use group::{Cliff, FALL_OF_MANY, FALL_OF_SOME, Group, MANY_PEERS, SOME_PEERS, SourceCount};
pub use hourly::RunningMinute;

/// All groups of one kind, by a key of the caller.
#[derive(Debug, Clone)]
pub struct Cliffs<K> {
    groups: HashMap<K, Group>,
}

impl<K> Default for Cliffs<K> {
    fn default() -> Self {
        Self {
            groups: HashMap::new(),
        }
    }
}

impl<K: Hash + Eq> Cliffs<K> {
    /// Samples the current peers of a group by member. `peers` must not name a member twice;
    /// watched members that it does not name have `absent` peers.
    pub fn sample(
        &mut self,
        key: K,
        at: RunningMinute,
        sources: SourceCount,
        absent: u32,
        peers: impl Iterator<Item = (u32, u32)>,
    ) {
        let mut peers = peers.peekable();
        match self.groups.get_mut(&key) {
            Some(group) => {
                group.sample(at, sources, absent, peers);
                if group.is_empty() {
                    self.groups.remove(&key);
                }
            }
            None => {
                let mut group = Group::default();
                if peers.peek().is_some() {
                    group.sample(at, sources, absent, peers);
                }
                if !group.is_empty() {
                    self.groups.insert(key, group);
                }
            }
        }
    }

    /// Forgets all groups, as after a jump of the clock: yesterday's hours are not today's.
    pub fn clear(&mut self) {
        self.groups.clear();
    }

    /// Notes that what is seen of all groups changed.
    pub fn mark_changed(&mut self, at: RunningMinute) {
        self.groups
            .values_mut()
            .for_each(|group| group.mark_changed(at));
    }

    /// Notes that what is seen of one group changed.
    pub fn mark_group_changed<Q>(&mut self, key: &Q, at: RunningMinute)
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        if let Some(group) = self.groups.get_mut(key) {
            group.mark_changed(at);
        }
    }

    /// Removes the groups that `is_kept` does not select.
    pub fn retain(&mut self, is_kept: impl Fn(&K) -> bool) {
        self.groups.retain(|key, _| is_kept(key));
    }

    /// Returns the cliffs of a group, by member.
    pub fn of<Q>(&self, key: &Q) -> impl Iterator<Item = (u32, Cliff)>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        let group = self.groups.get(key).into_iter();
        group.flat_map(Group::cliffs)
    }

    /// Returns the number of watched members.
    pub fn watched(&self) -> usize {
        self.groups.values().map(Group::watched).sum()
    }
}

#[cfg(test)]
mod tests;
