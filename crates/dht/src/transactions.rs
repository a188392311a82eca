//! The queries in flight, by transaction id, and their timeouts.

use std::time::Duration;

use super::id::NodeId;
use super::packed::PackedAddress;
use super::timers::Timers;
use rand::Rng;
use rand::rngs::StdRng;
use seedwatch_clock::Mono;
use slab::Slab;

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

slotmap::new_key_type! {
    /// The key of an active lookup. An answer for an ended lookup never reaches a later one.
    pub(super) struct LookupId;
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
    /// Queries with their transaction ids. The key is part of the id.
    pending: Slab<(u32, Pending)>,
    /// Transaction ids by the time at which the query becomes stale or lost. Ids of answered
    /// queries stay until then. Both kinds have a queue of their own, so that times arrive in
    /// order.
    fresh: Timers<u32>,
    stale: Timers<u32>,
}

impl Transactions {
    /// Returns whether another query may be sent.
    pub(super) fn has_room(&self) -> bool {
        self.pending.len() < MAX_IN_FLIGHT
    }

    /// Registers a query. Returns its transaction id.
    pub(super) fn open(
        &mut self,
        pending: Pending,
        timeout: Duration,
        rng: &mut StdRng,
    ) -> [u8; 4] {
        let slot = self.pending.vacant_entry();
        let id = rng.next_u32() << SLOT_BITS | slot.key() as u32;
        slot.insert((id, pending));
        let stale_at = pending.sent.after(timeout.min(QUERY_TIMEOUT));
        self.fresh.add(stale_at, id);
        id.to_be_bytes()
    }

    /// Takes the query that a response belongs to. A response from another address is ignored.
    pub(super) fn close(&mut self, transaction: &[u8], from: &PackedAddress) -> Option<Pending> {
        let id = u32::from_be_bytes(transaction.try_into().ok()?);
        let pending = self.get_mut(id)?;
        (pending.address == *from).then(|| self.pending.remove(Self::slot(id)).1)
    }

    fn get_mut(&mut self, id: u32) -> Option<&mut Pending> {
        let (current, pending) = self.pending.get_mut(Self::slot(id))?;
        (*current == id).then_some(pending)
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
            let Some(pending) = self.get_mut(id) else {
                continue;
            };
            if pending.is_stale {
                let (_, lost) = self.pending.remove(Self::slot(id));
                return Some(Expired::TimedOut(lost));
            }
            pending.is_stale = true;
            pending.blamed = last_answer.is_some_and(|last_answer| last_answer >= pending.sent);
            let stale = *pending;
            self.stale.add(stale.sent.after(QUERY_TIMEOUT), id);
            return Some(Expired::Stale(stale));
        }
    }

    /// Takes all queries to an unreachable address.
    pub(super) fn take_all_to(&mut self, to: &PackedAddress) -> Vec<Pending> {
        let mut all = Vec::new();
        self.pending.retain(|_, (_, pending)| {
            let stays = pending.address != *to;
            if !stays {
                all.push(*pending);
            }
            stays
        });
        all
    }

    pub(super) fn next_deadline(&self) -> Option<Mono> {
        let times = self.fresh.next().into_iter().chain(self.stale.next());
        times.min()
    }
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

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
        let mut rng = StdRng::from_seed([2; 32]);
        let mut all = Transactions::default();
        let id = all.open(query(1), Duration::from_millis(100), &mut rng);
        assert_eq!(all.close(&id, &query(2).address), None);
        assert_eq!(all.close(&id[1..], &query(1).address), None);
        assert_eq!(all.close(&id, &query(1).address), Some(query(1)));
        assert_eq!(all.close(&id, &query(1).address), None);
        assert_eq!(all.expire(Mono(10_000), None), None);
    }

    #[test]
    fn a_query_is_stale_before_it_is_lost() {
        let mut rng = StdRng::from_seed([2; 32]);
        let mut all = Transactions::default();
        let id = all.open(query(1), Duration::from_millis(100), &mut rng);
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
        assert!(all.pending.is_empty());
    }

    #[test]
    fn an_unreachable_address_ends_all_queries_to_it() {
        let mut rng = StdRng::from_seed([2; 32]);
        let mut all = Transactions::default();
        for n in [1, 2, 1] {
            all.open(query(n), Duration::from_millis(100), &mut rng);
        }
        assert_eq!(all.take_all_to(&query(1).address).len(), 2);
        assert_eq!(all.pending.len(), 1);
    }
}
