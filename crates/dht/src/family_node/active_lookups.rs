//! The active lookups and the queue of those that may send.

use std::collections::{HashMap, VecDeque};

use slotmap::SlotMap;

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
    all: SlotMap<LookupId, Active>,
    ready: VecDeque<LookupId>,
    collecting: usize,
    waiting: Timers<LookupId>,
    by_info_hash: HashMap<InfoHash, LookupId, KeyedBuildHasher>,
    /// Allocations of ended lookups.
    recycled: Vec<RecycledLookup>,
}

#[derive(Debug)]
struct Active {
    lookup: Box<Lookup>,
    is_ready: bool,
    /// Whether the lookup has converged and only queries holders again.
    is_collecting: bool,
}

impl ActiveLookups {
    /// Drops all lookups. Later ones have other ids.
    pub(super) fn clear(&mut self) {
        let mut all = std::mem::take(&mut self.all);
        all.clear();
        *self = Self {
            all,
            ..Self::default()
        };
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Returns the number of lookups that have not converged yet.
    pub(super) fn approaching(&self) -> usize {
        self.len() - self.collecting
    }

    /// Marks a lookup as converged: it only queries holders again, at the rate that their limits
    /// allow.
    pub(super) fn set_collecting(&mut self, id: LookupId) {
        if let Some(active) = self.all.get_mut(id)
            && !std::mem::replace(&mut active.is_collecting, true)
        {
            self.collecting += 1;
        }
    }

    pub(super) fn is_active(&self, hash: &InfoHash) -> bool {
        self.by_info_hash.contains_key(hash)
    }

    /// Adds a lookup and queues it.
    pub(super) fn add(&mut self, lookup: Lookup) -> LookupId {
        let hash = lookup.info_hash();
        let lookup = match self.recycled.pop() {
            Some(recycled) => recycled.begin(lookup),
            None => Box::new(lookup),
        };
        let id = self.all.insert(Active {
            lookup,
            is_ready: false,
            is_collecting: false,
        });
        if let Some(hash) = hash {
            self.by_info_hash.insert(hash, id);
        }
        self.wake(id);
        id
    }

    pub(super) fn get_mut(&mut self, id: LookupId) -> Option<&mut Lookup> {
        self.all.get_mut(id).map(|active| &mut *active.lookup)
    }

    pub(super) fn remove(&mut self, id: LookupId) -> Option<Box<Lookup>> {
        let active = self.all.remove(id)?;
        self.collecting -= usize::from(active.is_collecting);
        if let Some(hash) = active.lookup.info_hash() {
            self.by_info_hash.remove(&hash);
        }
        Some(active.lookup)
    }

    /// Keeps the allocations of an ended lookup for a later one.
    pub(super) fn recycle(&mut self, lookup: Box<Lookup>) {
        if self.recycled.len() < MAX_RECYCLED {
            self.recycled.push(RecycledLookup::of(lookup));
        }
    }

    /// Queues a lookup after an event that may let it send or end.
    pub(super) fn wake(&mut self, id: LookupId) {
        if self.set_ready(id) {
            self.ready.push_back(id);
        }
    }

    /// Queues all lookups.
    pub(super) fn wake_all(&mut self) {
        for (id, active) in &mut self.all {
            if !std::mem::replace(&mut active.is_ready, true) {
                self.ready.push_back(id);
            }
        }
    }

    /// Queues a lookup before all others.
    pub(super) fn wake_first(&mut self, id: LookupId) {
        if self.set_ready(id) {
            self.ready.push_front(id);
        }
    }

    /// Returns whether the lookup is active and was not ready.
    fn set_ready(&mut self, id: LookupId) -> bool {
        let active = self.all.get_mut(id);
        active.is_some_and(|active| !std::mem::replace(&mut active.is_ready, true))
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
            if let Some(active) = self.all.get_mut(id) {
                active.is_ready = false;
                return Some(id);
            }
        }
        None
    }

    pub(super) fn has_ready(&self) -> bool {
        !self.ready.is_empty()
    }
}
