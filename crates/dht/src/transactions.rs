//! Questions under way: who was asked what, and when patience ends.

use std::time::Duration;

use super::id::NodeId;
use super::packed::Address;
use super::random::Random;
use super::timers::Timers;
use seedwatch_clock::Mono;

/// An answer that has not come by then never will.
const LOST: Duration = Duration::from_secs(5);
/// Bits of a transaction id that say the slot; the others are random.
const SLOT_BITS: u32 = 17;
/// Questions under way at once.
pub(super) const MAX: usize = 1 << SLOT_BITS;

/// Whose question it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pending {
    /// `None` for a bootstrap address.
    pub(super) walk: Option<WalkId>,
    /// Who is expected to answer; `None` where that is not known.
    pub(super) id: Option<NodeId>,
    pub(super) address: Address,
    pub(super) sent: Mono,
    /// Its walk goes on without it.
    pub(super) slow: bool,
    /// Others answered since it left, so that its silence is the node's and not ours.
    pub(super) blamed: bool,
}

/// A lookup under way: never used for two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct WalkId {
    pub(super) slot: u32,
    pub(super) turn: u32,
}

/// What the clock does to a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expired {
    /// Slower than most; an answer still counts.
    Slow(Pending),
    /// No answer will come.
    Lost(Pending),
}

/// The questions of one family.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// By transaction id, those of answered questions included. What is slow waits apart from the
    /// rest, so that either kind comes in order.
    fresh: Timers<u32>,
    slow: Timers<u32>,
}

#[derive(Debug)]
struct Slot {
    /// The whole transaction id of the latest question.
    id: u32,
    pending: Option<Pending>,
}

impl Transactions {
    /// Whether another question may be asked.
    pub(super) fn has_room(&self) -> bool {
        !self.free.is_empty() || self.slots.len() < MAX
    }

    /// A question leaves; returns its transaction id.
    pub(super) fn open(
        &mut self,
        pending: Pending,
        patience: Duration,
        random: &mut Random,
    ) -> [u8; 4] {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot {
                id: 0,
                pending: None,
            });
            self.slots.len() as u32 - 1
        });
        let id = random.u32() << SLOT_BITS | slot;
        self.slots[slot as usize] = Slot {
            id,
            pending: Some(pending),
        };
        let slow = pending.sent.after(patience.min(LOST));
        self.fresh.add(slow, id);
        id.to_be_bytes()
    }

    /// An answer with this transaction id came from this address. Anybody else's is ignored.
    pub(super) fn close(&mut self, transaction: &[u8], from: &Address) -> Option<Pending> {
        let id = u32::from_be_bytes(transaction.try_into().ok()?);
        let slot = self.slots.get_mut(Self::slot(id))?;
        if slot.id != id || slot.pending?.address != *from {
            return None;
        }
        self.free.push(Self::slot(id) as u32);
        slot.pending.take()
    }

    fn slot(id: u32) -> usize {
        (id & (MAX as u32 - 1)) as usize
    }

    /// The next question whose time is over. `heard` is when anybody last answered.
    pub(super) fn expire(&mut self, now: Mono, heard: Option<Mono>) -> Option<Expired> {
        loop {
            let due = self.fresh.take_due(now);
            let id = due.or_else(|| self.slow.take_due(now))?;
            let slot = &mut self.slots[Self::slot(id)];
            if slot.id != id {
                continue;
            }
            let Some(pending) = &mut slot.pending else {
                continue;
            };
            if !pending.slow {
                pending.slow = true;
                pending.blamed = heard.is_some_and(|heard| heard >= pending.sent);
                let lost = pending.sent.after(LOST);
                self.slow.add(lost, id);
                return Some(Expired::Slow(*pending));
            }
            let lost = *pending;
            slot.pending = None;
            self.free.push(Self::slot(id) as u32);
            return Some(Expired::Lost(lost));
        }
    }

    /// Questions to an address that cannot be reached.
    pub(super) fn undelivered(&mut self, to: &Address) -> Vec<Pending> {
        let mut all = Vec::new();
        for (at, slot) in self.slots.iter_mut().enumerate() {
            if slot.pending.is_some_and(|pending| pending.address == *to) {
                all.extend(slot.pending.take());
                self.free.push(at as u32);
            }
        }
        all
    }

    pub(super) fn next_deadline(&self) -> Option<Mono> {
        let times = self.fresh.next().into_iter().chain(self.slow.next());
        times.min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    fn question(n: u8) -> Pending {
        Pending {
            walk: None,
            id: None,
            address: Address::from(SocketAddr::from(([1, 2, 3, n], 5))),
            sent: Mono(0),
            slow: false,
            blamed: false,
        }
    }

    #[test]
    fn only_who_was_asked_answers_and_only_once() {
        let mut random = Random::new([2; 32]);
        let mut all = Transactions::default();
        let id = all.open(question(1), Duration::from_millis(100), &mut random);
        assert_eq!(all.close(&id, &question(2).address), None);
        assert_eq!(all.close(&id[1..], &question(1).address), None);
        assert_eq!(all.close(&id, &question(1).address), Some(question(1)));
        assert_eq!(all.close(&id, &question(1).address), None);
        assert_eq!(all.expire(Mono(10_000), None), None);
    }

    #[test]
    fn slow_comes_before_lost() {
        let mut random = Random::new([2; 32]);
        let mut all = Transactions::default();
        let id = all.open(question(1), Duration::from_millis(100), &mut random);
        assert_eq!(all.expire(Mono(99), None), None);
        let slow = Pending {
            slow: true,
            ..question(1)
        };
        assert_eq!(all.expire(Mono(100), None), Some(Expired::Slow(slow)));
        assert_eq!(all.expire(Mono(4_999), None), None);
        assert_eq!(all.expire(Mono(5_000), None), Some(Expired::Lost(slow)));
        assert_eq!(all.close(&id, &question(1).address), None);
        assert_eq!(all.slots.len(), all.free.len());
    }

    #[test]
    fn a_closed_port_ends_all_questions_to_it() {
        let mut random = Random::new([2; 32]);
        let mut all = Transactions::default();
        for n in [1, 2, 1] {
            all.open(question(n), Duration::from_millis(100), &mut random);
        }
        assert_eq!(all.undelivered(&question(1).address).len(), 2);
        assert_eq!(all.free.len(), 2);
    }
}
