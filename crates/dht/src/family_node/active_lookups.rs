//! The active lookups and the queue of those that may send.

use std::collections::{HashMap, VecDeque};

use super::super::keyed::KeyedBuildHasher;
use super::super::lookup::Lookup;
use super::super::lookup::RecycledLookup;
use super::super::timers::Timers;
use super::super::transactions::LookupId;
use seedwatch_clock::Mono;
use seedwatch_torrent::InfoHash;

/// Ended lookups whose allocations are kept.
const MAX_RECYCLED: usize = 64;

/// The active lookups of one family.
#[derive(Debug, Default)]
pub(super) struct ActiveLookups {
    slots: Vec<Option<Box<Lookup>>>,
    free: Vec<u32>,
    /// Incremented per lookup, so that an answer for an earlier lookup never reaches a later one in
    /// the same slot.
    generation: u32,
    generations: Vec<u32>,
    ready: VecDeque<LookupId>,
    is_ready: Vec<bool>,
    /// Whether a lookup has converged and only queries holders again.
    is_collecting: Vec<bool>,
    collecting: usize,
    waiting: Timers<LookupId>,
    by_info_hash: HashMap<InfoHash, LookupId, KeyedBuildHasher>,
    /// Allocations of ended lookups.
    recycled: Vec<RecycledLookup>,
}

impl ActiveLookups {
    /// Returns an empty set whose ids differ from all ids of `before`.
    pub(super) fn following(before: &Self) -> Self {
        Self {
            generation: before.generation,
            ..Self::default()
        }
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Returns the number of lookups that have not converged yet.
    pub(super) fn approaching(&self) -> usize {
        self.len() - self.collecting
    }

    /// Marks a lookup as converged: it only queries holders again, at the rate that their limits
    /// allow.
    pub(super) fn set_collecting(&mut self, id: LookupId) {
        if self.is_current(id)
            && !std::mem::replace(&mut self.is_collecting[id.slot as usize], true)
        {
            self.collecting += 1;
        }
    }

    pub(super) fn is_active(&self, hash: &InfoHash) -> bool {
        self.by_info_hash.contains_key(hash)
    }

    /// Adds a lookup and queues it.
    pub(super) fn add(&mut self, lookup: Lookup) -> LookupId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.generations.push(0);
            self.is_ready.push(false);
            self.is_collecting.push(false);
            self.slots.len() as u32 - 1
        });
        self.generation = self.generation.wrapping_add(1);
        let id = LookupId {
            slot,
            generation: self.generation,
        };
        if let Some(hash) = lookup.info_hash() {
            self.by_info_hash.insert(hash, id);
        }
        self.generations[slot as usize] = self.generation;
        self.slots[slot as usize] = Some(match self.recycled.pop() {
            Some(recycled) => recycled.begin(lookup),
            None => Box::new(lookup),
        });
        self.is_ready[slot as usize] = false;
        self.wake(id);
        id
    }

    fn is_current(&self, id: LookupId) -> bool {
        let slot = id.slot as usize;
        self.generations.get(slot) == Some(&id.generation) && self.slots[slot].is_some()
    }

    pub(super) fn get_mut(&mut self, id: LookupId) -> Option<&mut Lookup> {
        if !self.is_current(id) {
            return None;
        }
        self.slots[id.slot as usize].as_deref_mut()
    }

    pub(super) fn remove(&mut self, id: LookupId) -> Option<Box<Lookup>> {
        if !self.is_current(id) {
            return None;
        }
        let lookup = self.slots[id.slot as usize].take()?;
        self.free.push(id.slot);
        let collected = std::mem::take(&mut self.is_collecting[id.slot as usize]);
        self.collecting -= usize::from(collected);
        if let Some(hash) = lookup.info_hash() {
            self.by_info_hash.remove(&hash);
        }
        Some(lookup)
    }

    /// Keeps the allocations of an ended lookup for a later one.
    pub(super) fn recycle(&mut self, lookup: Box<Lookup>) {
        if self.recycled.len() < MAX_RECYCLED {
            self.recycled.push(RecycledLookup::of(lookup));
        }
    }

    /// Queues a lookup after an event that may let it send or end.
    pub(super) fn wake(&mut self, id: LookupId) {
        if self.is_current(id) && !std::mem::replace(&mut self.is_ready[id.slot as usize], true) {
            self.ready.push_back(id);
        }
    }

    /// Queues all lookups.
    pub(super) fn wake_all(&mut self) {
        for slot in 0..self.slots.len() as u32 {
            let generation = self.generations[slot as usize];
            self.wake(LookupId { slot, generation });
        }
    }

    /// Queues a lookup before all others.
    pub(super) fn wake_first(&mut self, id: LookupId) {
        if self.is_current(id) && !std::mem::replace(&mut self.is_ready[id.slot as usize], true) {
            self.ready.push_front(id);
        }
    }

    /// Queues a lookup at the given time.
    pub(super) fn wake_at(&mut self, id: LookupId, at: Mono) {
        self.waiting.add(at, id);
    }

    pub(super) fn wake_due(&mut self, now: Mono) {
        while let Some(id) = self.waiting.take_due(now) {
            self.wake(id);
        }
    }

    pub(super) fn next_wake(&self) -> Option<Mono> {
        self.waiting.next()
    }

    /// Takes the next lookup out of the queue.
    pub(super) fn next_ready(&mut self) -> Option<LookupId> {
        while let Some(id) = self.ready.pop_front() {
            if self.is_current(id) {
                self.is_ready[id.slot as usize] = false;
                return Some(id);
            }
        }
        None
    }

    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }
}
