//! What answers of trackers and of the DHT leave behind: who was there, and when.

use std::time::Duration;

use super::filter::Filter;
use super::own::OwnEntry;
use seedwatch_clock::Mono;
use seedwatch_distinct::{Moment, Window};
use seedwatch_torrent::Peers;

/// Peers that count, by family: sorted, each once.
#[derive(Debug, Default)]
pub(super) struct Lists {
    v4: Box<[u32]>,
    /// /64 prefixes.
    v6: Box<[u64]>,
    /// Of the lists before they were sorted; most rounds bring the same peers again.
    prints: [u64; 2],
    pub(super) taken_in: TakenIn,
}

/// What is remembered of those on a list. Most rounds bring the same peers again, and windows are
/// a day and more: it is enough to write down now and then who is still there, and when they leave.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct TakenIn {
    /// The last hour that is remembered of everybody here, of running time; 0 = none.
    hour: u32,
    /// Hours after that in which they were last named.
    later: u8,
    /// By which configuration that is remembered.
    epoch: u16,
}

impl TakenIn {
    /// Hours without a look at who is there. Lists that nobody names any more have to be found before what
    /// is remembered of them leaves the shortest window.
    const LONGEST: u32 = 18;

    /// Everybody is remembered as of this hour.
    pub(super) fn all(hour: u32, epoch: u16) -> Self {
        Self {
            hour,
            later: 0,
            epoch,
        }
    }

    /// The same peers are named again. Says whether that need not be remembered yet.
    pub(super) fn again(&mut self, epoch: u16, now: Moment) -> bool {
        let known = self.hour > 0 && self.epoch == epoch && !self.is_due(now);
        if known {
            self.later = now.hour().saturating_sub(self.hour) as u8;
        }
        known
    }

    /// The hour in which they were last named, if that is not remembered yet.
    pub(super) fn pending(self) -> Option<u32> {
        (self.later > 0).then(|| self.hour + u32::from(self.later))
    }

    /// What is remembered will not do for long.
    pub(super) fn is_due(self, now: Moment) -> bool {
        now.hour().saturating_sub(self.hour) >= Self::LONGEST
            || !now.is_within(Window::Day, self.hour)
    }
}

impl Lists {
    /// Takes over what is in the room. Gives back those who were named before and of whom that is not
    /// remembered yet.
    pub(super) fn replace(&mut self, room: &mut Room) -> Option<Self> {
        let v4 = replace(&mut self.v4, &mut self.prints[0], &mut room.v4);
        let v6 = replace(&mut self.v6, &mut self.prints[1], &mut room.v6);
        if v4.is_none() && v6.is_none() {
            return None;
        }
        let taken_in = std::mem::take(&mut self.taken_in);
        taken_in.pending().map(|_| Self {
            v4: v4.unwrap_or_default(),
            v6: v6.unwrap_or_default(),
            prints: [0; 2],
            taken_in,
        })
    }

    /// Reads what the next list is compared with; returns something of it.
    pub(super) fn prefetch(&self) -> u64 {
        self.prints[0].wrapping_add(self.prints[1])
    }

    /// The addresses and the /64 prefixes.
    pub(super) fn slices(lists: Option<&Self>) -> (&[u32], &[u64]) {
        lists.map_or((&[], &[]), |lists| (&lists.v4, &lists.v6))
    }
}

/// What an answer brought.
#[derive(Debug)]
pub(super) struct Heard {
    /// Somebody who counts.
    pub(super) anybody: bool,
    /// Those who were named before, if that is not remembered yet.
    pub(super) before: Option<Lists>,
}

/// Room for the peers of one answer, used again for the next.
#[derive(Debug, Default)]
pub(super) struct Room {
    v4: Vec<u32>,
    v6: Vec<u64>,
}

impl Room {
    /// Puts in those of the claimed peers that count. `own_entry` is given where our own entry may be
    /// listed.
    pub(super) fn fill(
        &mut self,
        claimed: &Peers,
        own_entry: Option<OwnEntry>,
        filter: &mut Filter,
    ) {
        filter.keep4(&claimed.v4, own_entry, &mut self.v4);
        filter.keep6(&claimed.v6, own_entry, &mut self.v6);
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

/// Takes over a list that is neither sorted nor free of repetitions, and gives back the one before if
/// that was another. Most rounds bring the same peers again in another order: a print that does not depend
/// on order spares the sorting.
fn replace<T: Copy + Ord + Into<u64>>(
    kept: &mut Box<[T]>,
    print: &mut u64,
    new: &mut Vec<T>,
) -> Option<Box<[T]>> {
    let new_print = print_of(new);
    if new_print == *print && kept.is_empty() == new.is_empty() {
        return None;
    }
    *print = new_print;
    new.sort_unstable();
    new.dedup();
    Some(std::mem::replace(kept, new.as_slice().into()))
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
