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
//! - Peers are compared only with those of a time whose lists are all there now, source by source.
//!   While one is missing, nothing can be said.
//! - Another database of countries and torrents that leave a collection change what is seen. After
//!   that, the last hours and yesterday's rhythm are compared, until two days are comparable again.
//! - A fall ends when its member has [`RECOVERED`] of the peers of the days before it again, or is
//!   accepted after [`HOURS_UNTIL_ACCEPTED`]. Time without data is neither a fall nor a recovery.
//!
//! A member with [`MANY_PEERS`] expected peers is checked per sample, and has fallen below
//! [`FALL_OF_MANY`]; one with [`SOME_PEERS`] per hourly mean, below [`FALL_OF_SOME`]. Only members
//! that had [`SOME_PEERS`] peers within two days are watched, each in 92 bytes.
//!
//! `docs/decisions/cliffs.md` says why.

mod group;
mod hourly;
mod member;
mod saved;
mod sources;

use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::Hash;

pub use group::{
    Cliff, FALL_OF_MANY, FALL_OF_SOME, Group, HOURS_UNTIL_ACCEPTED, MANY_PEERS, RECOVERED,
    SOME_PEERS,
};
pub use hourly::RunningMinute;
pub use sources::{LIST, SourceLists};

/// All groups of one kind, by a key of the caller.
#[derive(Debug, Clone)]
pub struct Cliffs<K> {
    groups: HashMap<K, Box<Group>>,
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
        sources: SourceLists<'_>,
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
                let mut group = Box::<Group>::default();
                if peers.peek().is_some() {
                    group.sample(at, sources, absent, peers);
                }
                if !group.is_empty() {
                    self.groups.insert(key, group);
                }
            }
        }
    }

    /// Forgets all hours, as after a jump of the clock: yesterday's hours are not today's. Only
    /// falls remain; their hours move by as many as the clock jumped.
    pub fn forget_hours(&mut self, at: RunningMinute, jumped: i64) {
        for group in self.groups.values_mut() {
            group.forget_hours(at, jumped);
        }
        self.groups.retain(|_, group| !group.is_empty());
    }

    /// Accepts falls that have lasted for long, also in groups that are not sampled any more.
    pub fn accept_old_falls(&mut self, at: RunningMinute) {
        for group in self.groups.values_mut() {
            group.accept_old_falls(at);
        }
    }

    /// Moves all hours to earlier ones: so many hours passed in which running time stood still.
    pub fn shift(&mut self, hours: i64) {
        self.groups
            .values_mut()
            .for_each(|group| group.shift(hours));
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
        group.flat_map(|group| group.cliffs())
    }

    /// Returns all groups.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &Group)> {
        let groups = self.groups.iter();
        groups.map(|(key, group)| (key, &**group))
    }

    /// Returns a group.
    pub fn get<Q>(&self, key: &Q) -> Option<&Group>
    where
        K: Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.groups.get(key).map(|group| &**group)
    }

    /// Returns the number of groups.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Returns whether there are no groups.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Returns the ratios of the current peers of all members to the expected ones, by member. They
    /// are infinite where that is not known. Members of which too few peers are expected are left
    /// out.
    pub fn ratios(&self) -> impl Iterator<Item = (u32, f32)> {
        self.groups.values().flat_map(|group| group.ratios())
    }

    /// Adds a group that was saved, unless it is known.
    pub fn restore(&mut self, key: K, group: Group) {
        self.groups.entry(key).or_insert_with(|| Box::new(group));
    }

    /// Returns the groups with a member that has fallen.
    pub fn fallen(&self) -> impl Iterator<Item = &K> {
        let groups = self.groups.iter();
        let fallen = groups.filter(|(_, group)| group.cliffs().next().is_some());
        fallen.map(|(key, _)| key)
    }

    /// Returns the number of watched members.
    pub fn watched(&self) -> usize {
        self.groups.values().map(|group| group.watched()).sum()
    }
}

#[cfg(test)]
mod tests;
