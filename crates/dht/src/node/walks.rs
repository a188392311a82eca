//! The lookups under way, and whose turn it is.

use std::collections::{HashMap, VecDeque};

use super::super::keyed::Key;
use super::super::timers::Timers;
use super::super::transactions::WalkId;
use super::super::walk::Spare;
use super::super::walk::Walk;
use seedwatch_clock::Mono;
use seedwatch_torrent::InfoHash;

/// Walks kept for their memory.
const MAX_SPARE: usize = 64;

/// All walks of one family.
#[derive(Debug, Default)]
pub(super) struct Walks {
    places: Vec<Option<Box<Walk>>>,
    free: Vec<u32>,
    /// Counts walks, so that an answer for an earlier one does not go to a later one.
    turn: u32,
    turns: Vec<u32>,
    ready: VecDeque<WalkId>,
    is_ready: Vec<bool>,
    /// Those that have arrived and only ask holders again.
    is_collecting: Vec<bool>,
    collecting: usize,
    waiting: Timers<WalkId>,
    looking_for: HashMap<InfoHash, WalkId, Key>,
    /// Walks that are over, for their memory.
    spare: Vec<Spare>,
}

impl Walks {
    /// None, but none of `before` is ever taken for one of these.
    pub(super) fn following(before: &Self) -> Self {
        Self {
            turn: before.turn,
            ..Self::default()
        }
    }

    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// Those still on their way.
    pub(super) fn walking(&self) -> usize {
        self.len() - self.collecting
    }

    /// It has arrived and only asks holders again, which their limits make slow.
    pub(super) fn set_collecting(&mut self, id: WalkId) {
        if self.is(id) && !std::mem::replace(&mut self.is_collecting[id.slot as usize], true) {
            self.collecting += 1;
        }
    }

    pub(super) fn is_looking_for(&self, hash: &InfoHash) -> bool {
        self.looking_for.contains_key(hash)
    }

    /// Adds a walk, which may ask at once.
    pub(super) fn add(&mut self, walk: Walk) -> WalkId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.turns.push(0);
            self.is_ready.push(false);
            self.is_collecting.push(false);
            self.places.len() as u32 - 1
        });
        self.turn = self.turn.wrapping_add(1);
        let id = WalkId {
            slot,
            turn: self.turn,
        };
        if let Some(hash) = walk.info_hash() {
            self.looking_for.insert(hash, id);
        }
        self.turns[slot as usize] = self.turn;
        self.places[slot as usize] = Some(match self.spare.pop() {
            Some(spare) => spare.begin(walk),
            None => Box::new(walk),
        });
        self.is_ready[slot as usize] = false;
        self.wake(id);
        id
    }

    fn is(&self, id: WalkId) -> bool {
        let slot = id.slot as usize;
        self.turns.get(slot) == Some(&id.turn) && self.places[slot].is_some()
    }

    pub(super) fn get_mut(&mut self, id: WalkId) -> Option<&mut Walk> {
        if !self.is(id) {
            return None;
        }
        self.places[id.slot as usize].as_deref_mut()
    }

    pub(super) fn remove(&mut self, id: WalkId) -> Option<Box<Walk>> {
        if !self.is(id) {
            return None;
        }
        let walk = self.places[id.slot as usize].take()?;
        self.free.push(id.slot);
        let collected = std::mem::take(&mut self.is_collecting[id.slot as usize]);
        self.collecting -= usize::from(collected);
        if let Some(hash) = walk.info_hash() {
            self.looking_for.remove(&hash);
        }
        Some(walk)
    }

    /// Keeps the memory of a walk that is over for the next.
    pub(super) fn keep(&mut self, walk: Box<Walk>) {
        if self.spare.len() < MAX_SPARE {
            self.spare.push(Spare::of(walk));
        }
    }

    /// Something happened to it: it gets a turn.
    pub(super) fn wake(&mut self, id: WalkId) {
        if self.is(id) && !std::mem::replace(&mut self.is_ready[id.slot as usize], true) {
            self.ready.push_back(id);
        }
    }

    /// Each gets a turn.
    pub(super) fn wake_all(&mut self) {
        for slot in 0..self.places.len() as u32 {
            let turn = self.turns[slot as usize];
            self.wake(WalkId { slot, turn });
        }
    }

    /// It gets the next turn.
    pub(super) fn wake_first(&mut self, id: WalkId) {
        if self.is(id) && !std::mem::replace(&mut self.is_ready[id.slot as usize], true) {
            self.ready.push_front(id);
        }
    }

    /// It gets a turn then.
    pub(super) fn wake_at(&mut self, id: WalkId, at: Mono) {
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

    /// Whose turn it is.
    pub(super) fn next_ready(&mut self) -> Option<WalkId> {
        while let Some(id) = self.ready.pop_front() {
            if self.is(id) {
                self.is_ready[id.slot as usize] = false;
                return Some(id);
            }
        }
        None
    }

    pub(super) fn is_anybody_ready(&self) -> bool {
        !self.ready.is_empty()
    }
}
