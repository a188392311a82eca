//! What answers of trackers and of the DHT leave behind: who was there, and when.

use std::time::Duration;

use super::filter::Filter;
use crate::observation::{Manner, Peers, TrackerId};
use crate::time::Mono;

/// Peers that count, by family: sorted, each once.
#[derive(Debug, Default)]
pub(super) struct Lists {
    v4: Box<[u32]>,
    /// /64 prefixes.
    v6: Box<[u64]>,
    /// Of the lists before they were sorted; most rounds bring the same peers again.
    prints: [u64; 2],
    /// Until when everybody here is known to have been seen; 0 = taken in by nobody yet.
    pub(super) taken_in: u32,
}

impl Lists {
    /// Takes over what is in the room.
    pub(super) fn replace(&mut self, room: &mut Room) {
        let v4 = replace(&mut self.v4, &mut self.prints[0], &mut room.v4);
        let v6 = replace(&mut self.v6, &mut self.prints[1], &mut room.v6);
        if v4 || v6 {
            self.taken_in = 0;
        }
    }

    /// The addresses and the /64 prefixes.
    pub(super) fn slices(lists: Option<&Self>) -> (&[u32], &[u64]) {
        lists.map_or((&[], &[]), |lists| (&lists.v4, &lists.v6))
    }
}

/// Room for the peers of one answer, used again for the next.
#[derive(Debug, Default)]
pub(super) struct Room {
    v4: Vec<u32>,
    v6: Vec<u64>,
}

impl Room {
    /// Puts in those of the claimed peers that count. `from` is the tracker that named them, and
    /// how it was asked.
    pub(super) fn fill(
        &mut self,
        claimed: &Peers,
        from: Option<(TrackerId, Manner)>,
        filter: &mut Filter,
    ) {
        filter.keep4(&claimed.v4, from, &mut self.v4);
        filter.keep6(&claimed.v6, from, &mut self.v6);
    }

    /// Nobody counts.
    pub(super) fn is_empty(&self) -> bool {
        self.v4.is_empty() && self.v6.is_empty()
    }
}

/// When something came, in tenths of a second of the monotonic clock; 0 = never.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Tick(u32);

impl Tick {
    pub(super) fn at(now: Mono) -> Self {
        Self(u32::try_from(now.0 / 100 + 1).unwrap_or(u32::MAX))
    }

    /// When it goes stale, if it came and has not gone stale yet.
    pub(super) fn fresh(self, now: Mono, stale_after: Duration) -> Option<Mono> {
        let came = Mono(u64::from(self.0.checked_sub(1)?) * 100);
        Some(came.after(stale_after)).filter(|until| *until > now)
    }
}

/// Takes over a list that is neither sorted nor free of repetitions; says whether it is another. Most rounds bring the same
/// peers again in another order: a print that does not depend on order spares the sorting.
fn replace<T: Copy + Ord + Into<u64>>(
    kept: &mut Box<[T]>,
    print: &mut u64,
    new: &mut Vec<T>,
) -> bool {
    let new_print = print_of(new);
    if new_print == *print && kept.is_empty() == new.is_empty() {
        return false;
    }
    *print = new_print;
    new.sort_unstable();
    new.dedup();
    *kept = new.as_slice().into();
    true
}

/// Tells lists of peers from each other, whatever their order.
pub(super) fn print_of<T: Copy + Into<u64>>(peers: &[T]) -> u64 {
    let mixed = peers.iter().map(|peer| mix((*peer).into()));
    mixed.fold(0, u64::wrapping_add)
}

/// Spreads a number over 64 bits, so that the sum tells one list from another: a product of the
/// number with itself, turned by half, is not linear, and one multiplication is all it takes.
fn mix(number: u64) -> u64 {
    let odd = number ^ 0x9e37_79b9_7f4a_7c15;
    odd.wrapping_mul(odd.rotate_left(32))
}
