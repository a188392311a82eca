//! The counts of the last two days and the falls, for the state directory.
//!
//! ```text
//! key's fingerprint 8 | hours of the wall clock ahead | when each database was built
//! | torrents n | n × (info-hash 20 | group)
//! | collections n | n × (name | torrents m × 8 | has a group | group)
//! | has a group of systems | group
//! ```
//!
//! Groups are saved with hours of running time. The wall clock tells how many hours have passed in
//! which it stood still. The group of systems is in the first shard.

use std::sync::Arc;

use super::CliffMonitor;
use crate::cliff::Group;
use crate::saved::{DecodeError, append, append_array, take, take_array, take_length};
use crate::snapshot::Database;
use crate::swarm::Shard;
use seedwatch_clock::Unix;
use seedwatch_torrent::InfoHash;

/// When each database was built.
pub(in crate::engine) type Built = [Option<Unix>; Database::ALL.len()];

/// Most torrents and collections of one shard.
const MAX_GROUPS: usize = 1 << 20;
/// Longest name of a collection, in bytes.
const MAX_NAME: usize = 1024;

/// A decoded shard.
struct Decoded {
    hours_ahead: Option<i64>,
    torrents: Vec<(InfoHash, Group)>,
    collections: Vec<(Arc<str>, Vec<u64>, Option<Group>)>,
    systems: Option<Group>,
}

impl CliffMonitor {
    /// Returns the number of groups that are saved.
    pub(in crate::engine) fn saved_groups(&self) -> usize {
        self.torrents.len() + self.collections.len()
    }

    /// Appends a shard.
    pub(in crate::engine) fn encode(
        &self,
        fingerprint: [u8; 8],
        built: Built,
        shard: Shard,
        out: &mut Vec<u8>,
    ) {
        append_array(&fingerprint, out);
        append(&self.hours_ahead, out);
        append(&built.map(|built| built.map(|at| at.0)), out);
        let torrents = || self.torrents.iter().filter(|(hash, _)| shard.has(hash));
        append(&torrents().count(), out);
        for (hash, group) in torrents() {
            append_array(&hash.0, out);
            group.encode(out);
        }
        let collections = || {
            let all = self.torrents_before.iter();
            all.filter(|(name, _)| name.len() <= MAX_NAME && shard.has_collection(name))
        };
        append(&collections().count(), out);
        for (name, hashes) in collections() {
            append(&**name, out);
            append(&hashes.len(), out);
            hashes
                .iter()
                .for_each(|member| append_array(&member.to_be_bytes(), out));
            encode_if_known(self.collections.get(name), out);
        }
        let systems = self.systems.get(&()).filter(|_| shard.index == 0);
        encode_if_known(systems, out);
    }

    /// Adds what [`CliffMonitor::encode`] wrote. `built` are the databases of now.
    ///
    /// # Errors
    /// If the bytes were written with another key or are something else; then nothing changed.
    pub(in crate::engine) fn decode(
        &mut self,
        mut bytes: &[u8],
        fingerprint: [u8; 8],
        built: Built,
    ) -> Result<(), DecodeError> {
        let from = &mut bytes;
        if take_array(from)? != fingerprint {
            return Err(DecodeError);
        }
        let decoded = Decoded::of(from, built)?;
        self.is_restored = true;
        self.hours_ahead = self.hours_ahead.or(decoded.hours_ahead);
        for (hash, group) in decoded.torrents {
            self.torrents.restore(hash, group);
        }
        for (name, hashes, group) in decoded.collections {
            self.torrents_before.insert(Arc::clone(&name), hashes);
            group
                .into_iter()
                .for_each(|group| self.collections.restore(Arc::clone(&name), group));
        }
        let systems = decoded.systems.into_iter();
        systems.for_each(|group| self.systems.restore((), group));
        Ok(())
    }
}

impl Decoded {
    fn of(from: &mut &[u8], built: Built) -> Result<Self, DecodeError> {
        let hours_ahead = take(from)?;
        let saved: [Option<u64>; Database::ALL.len()] = take(from)?;
        let is_other_database = saved.map(|at| at.map(Unix)) != built;
        let group = |from: &mut &[u8]| -> Result<Group, DecodeError> {
            let mut group = Group::decode(from)?;
            if is_other_database {
                group.mark_changed_since();
            }
            Ok(group)
        };
        let mut torrents = Vec::new();
        for _ in 0..take_length(from, MAX_GROUPS)? {
            torrents.push((InfoHash(take_array(from)?), group(from)?));
        }
        let mut collections = Vec::new();
        for _ in 0..take_length(from, MAX_GROUPS)? {
            let name: &str = take(from)?;
            let mut hashes = Vec::new();
            for _ in 0..take_length(from, MAX_GROUPS)? {
                hashes.push(u64::from_be_bytes(take_array(from)?));
            }
            if name.len() > MAX_NAME || !hashes.is_sorted() {
                return Err(DecodeError);
            }
            let known = take::<bool>(from)?.then(|| group(from)).transpose()?;
            collections.push((name.into(), hashes, known));
        }
        let systems = take::<bool>(from)?.then(|| group(from)).transpose()?;
        from.is_empty().then_some(()).ok_or(DecodeError)?;
        Ok(Self {
            hours_ahead,
            torrents,
            collections,
            systems,
        })
    }
}

fn encode_if_known(group: Option<&Group>, out: &mut Vec<u8>) {
    append(&group.is_some(), out);
    group.into_iter().for_each(|group| group.encode(out));
}
