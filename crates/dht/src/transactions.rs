//! The queries in flight, by transaction id, and their timeouts.

use std::time::Duration;

use super::id::NodeId;
use super::packed::PackedAddress;
use super::random::Random;
use super::timers::Timers;
use seedwatch_clock::Mono;

/// Time after which a query counts as lost.
const QUERY_TIMEOUT: Duration = Duration::from_secs(5);
/// Bits of a transaction id that hold the slot. The other bits are random.
const SLOT_BITS: u32 = 17;
/// Queries in flight at the same time.
pub(super) const MAX_IN_FLIGHT: usize = 1 << SLOT_BITS;

/// A query in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pending {
    /// `None` for a bootstrap address.
    pub(super) lookup: Option<LookupId>,
    /// Id of the queried node; `None` if it is not known.
    pub(super) id: Option<NodeId>,
    pub(super) address: PackedAddress,
    pub(super) sent: Mono,
    /// Whether the lookup continues without it.
    pub(super) is_stale: bool,
    /// Whether another node answered since it was sent. If so, the failure is the node's and not
    /// our network's.
    pub(super) blamed: bool,
}

/// The id of an active lookup. It is never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct LookupId {
    pub(super) slot: u32,
    pub(super) generation: u32,
}

/// A query that has expired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Expired {
    /// It is slower than most. An answer still counts.
    Stale(Pending),
    /// It counts as lost.
    TimedOut(Pending),
}

/// The queries in flight of one family.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    slots: Vec<Slot>,
    free: Vec<u32>,
    /// Transaction ids by the time at which the query becomes stale or lost. Ids of answered
    /// queries stay until then. Both kinds have a queue of their own, so that times arrive in
    /// order.
    fresh: Timers<u32>,
    stale: Timers<u32>,
}

#[derive(Debug)]
struct Slot {
    /// Transaction id of the latest query in this slot.
    id: u32,
    pending: Option<Pending>,
}

impl Transactions {
    /// Returns whether another query may be sent.
    pub(super) fn has_room(&self) -> bool {
        !self.free.is_empty() || self.slots.len() < MAX_IN_FLIGHT
    }

    /// Registers a query. Returns its transaction id.
    pub(super) fn open(
        &mut self,
        pending: Pending,
        timeout: Duration,
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
        let stale_at = pending.sent.after(timeout.min(QUERY_TIMEOUT));
        self.fresh.add(stale_at, id);
        id.to_be_bytes()
    }

    /// Takes the query that a response belongs to. A response from another address is ignored.
    pub(super) fn close(&mut self, transaction: &[u8], from: &PackedAddress) -> Option<Pending> {
        let id = u32::from_be_bytes(transaction.try_into().ok()?);
        let slot = self.slots.get_mut(Self::slot(id))?;
        if slot.id != id || slot.pending?.address != *from {
            return None;
        }
        self.free.push(Self::slot(id) as u32);
        slot.pending.take()
    }

    fn slot(id: u32) -> usize {
        (id & (MAX_IN_FLIGHT as u32 - 1)) as usize
    }

    /// Returns the next query that has become stale or lost. `last_answer` is the time of the
    /// latest answer of any node.
    pub(super) fn expire(&mut self, now: Mono, last_answer: Option<Mono>) -> Option<Expired> {
        loop {
            let due = self.fresh.take_due(now);
            let id = due.or_else(|| self.stale.take_due(now))?;
            let slot = &mut self.slots[Self::slot(id)];
            if slot.id != id {
                continue;
            }
            let Some(pending) = &mut slot.pending else {
                continue;
            };
            if !pending.is_stale {
                pending.is_stale = true;
                pending.blamed = last_answer.is_some_and(|last_answer| last_answer >= pending.sent);
                let timeout_at = pending.sent.after(QUERY_TIMEOUT);
                self.stale.add(timeout_at, id);
                return Some(Expired::Stale(*pending));
            }
            let lost = *pending;
            slot.pending = None;
            self.free.push(Self::slot(id) as u32);
            return Some(Expired::TimedOut(lost));
        }
    }

    /// Takes all queries to an unreachable address.
    pub(super) fn take_all_to(&mut self, to: &PackedAddress) -> Vec<Pending> {
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
        let times = self.fresh.next().into_iter().chain(self.stale.next());
        times.min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    fn query(n: u8) -> Pending {
        Pending {
            lookup: None,
            id: None,
            address: PackedAddress::from(SocketAddr::from(([1, 2, 3, n], 5))),
            sent: Mono(0),
            is_stale: false,
            blamed: false,
        }
    }

    #[test]
    fn only_the_queried_address_can_answer_and_only_once() {
        let mut random = Random::new([2; 32]);
        let mut all = Transactions::default();
        let id = all.open(query(1), Duration::from_millis(100), &mut random);
        assert_eq!(all.close(&id, &query(2).address), None);
        assert_eq!(all.close(&id[1..], &query(1).address), None);
        assert_eq!(all.close(&id, &query(1).address), Some(query(1)));
        assert_eq!(all.close(&id, &query(1).address), None);
        assert_eq!(all.expire(Mono(10_000), None), None);
    }

    #[test]
    fn a_query_is_stale_before_it_is_lost() {
        let mut random = Random::new([2; 32]);
        let mut all = Transactions::default();
        let id = all.open(query(1), Duration::from_millis(100), &mut random);
        assert_eq!(all.expire(Mono(99), None), None);
        let stale = Pending {
            is_stale: true,
            ..query(1)
        };
        assert_eq!(all.expire(Mono(100), None), Some(Expired::Stale(stale)));
        assert_eq!(all.expire(Mono(4_999), None), None);
        assert_eq!(
            all.expire(Mono(5_000), None),
            Some(Expired::TimedOut(stale))
        );
        assert_eq!(all.close(&id, &query(1).address), None);
        assert_eq!(all.slots.len(), all.free.len());
    }

    #[test]
    fn an_unreachable_address_ends_all_queries_to_it() {
        let mut random = Random::new([2; 32]);
        let mut all = Transactions::default();
        for n in [1, 2, 1] {
            all.open(query(n), Duration::from_millis(100), &mut random);
        }
        assert_eq!(all.take_all_to(&query(1).address).len(), 2);
        assert_eq!(all.free.len(), 2);
    }
}
