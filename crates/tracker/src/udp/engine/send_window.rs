//! Bounds the number of answers in flight.
//!
//! A burst above the receive buffer is lost: our own buffer takes the answers of all trackers, and
//! each tracker's buffer takes our requests. So unanswered requests are counted, but only recent
//! ones. A lost packet frees its ticket after a few round trips. A dead tracker holds no tickets,
//! and a distant tracker does not slow down near ones.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use seedwatch_clock::RoundTripEstimator;

/// The shortest time that a request holds its ticket.
const MIN_HOLD: Duration = Duration::from_micros(500);
/// The longest time that a request holds its ticket: about the longest time for which a busy
/// process does not read.
pub const MAX_HOLD: Duration = Duration::from_millis(20);
/// The number of round trips that a request holds its ticket.
const HOLD_ROUND_TRIPS: u32 = 2;

/// The tickets of recently sent requests.
#[derive(Debug)]
pub(super) struct SendWindow {
    limit: usize,
    open: usize,
    hold: Duration,
    /// Over all requests of the window.
    round_trip: RoundTripEstimator<16, 16>,
    /// Requests sent at one time, oldest first.
    batches: VecDeque<Batch>,
    /// The number of the first batch.
    first: u64,
}

#[derive(Debug)]
struct Batch {
    sent: Instant,
    open: usize,
}

/// The ticket of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticket(u64);

impl SendWindow {
    /// Returns a window for `limit` recent requests.
    pub(super) fn new(limit: usize) -> Self {
        let mut round_trip = RoundTripEstimator::default();
        round_trip.sample(MAX_HOLD / HOLD_ROUND_TRIPS);
        Self {
            limit: limit.max(1),
            open: 0,
            hold: MAX_HOLD,
            round_trip,
            batches: VecDeque::new(),
            first: 0,
        }
    }

    /// Returns how many requests may be sent now.
    pub(super) fn room(&mut self, now: Instant) -> usize {
        while let Some(batch) = self.batches.front()
            && (batch.open == 0 || now >= batch.sent + self.hold)
        {
            self.open -= batch.open;
            self.batches.pop_front();
            self.first += 1;
        }
        self.limit - self.open.min(self.limit)
    }

    /// Takes a ticket for a request sent now.
    pub(super) fn take(&mut self, now: Instant) -> Ticket {
        self.open += 1;
        match self.batches.back_mut() {
            Some(batch) if batch.sent == now => batch.open += 1,
            _ => self.batches.push_back(Batch { sent: now, open: 1 }),
        }
        Ticket(self.first + self.batches.len() as u64 - 1)
    }

    /// Returns the ticket of a request that was answered or abandoned.
    pub(super) fn release(&mut self, ticket: Ticket) {
        // An expired ticket has left the queue.
        let Some(at) = ticket.0.checked_sub(self.first) else {
            return;
        };
        if let Some(batch) = self.batches.get_mut(at as usize)
            && batch.open > 0
        {
            batch.open -= 1;
            self.open -= 1;
        }
    }

    /// Expires requests that an answer has overtaken. `ticket` is the one of the answered request.
    /// Requests to the same remote sent two or more batches earlier are most likely lost.
    pub(super) fn release_overtaken(&mut self, ticket: Ticket) {
        while self.first + 1 < ticket.0
            && let Some(batch) = self.batches.pop_front()
        {
            self.open -= batch.open;
            self.first += 1;
        }
    }

    /// Takes a measured round trip.
    pub(super) fn sample(&mut self, round_trip: Duration) {
        self.round_trip.sample(round_trip.min(MAX_HOLD));
        let mean = self.round_trip.mean().unwrap_or(MAX_HOLD);
        self.hold = (mean * HOLD_ROUND_TRIPS).clamp(MIN_HOLD, MAX_HOLD);
    }

    /// Returns when a full window has room again if no answer arrives.
    pub(super) fn next_room(&self) -> Option<Instant> {
        if self.open < self.limit {
            return None;
        }
        self.batches
            .iter()
            .find(|batch| batch.open > 0)
            .map(|batch| batch.sent + self.hold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_and_time_release_slots() {
        let start = Instant::now();
        let mut window = SendWindow::new(3);
        assert_eq!(window.room(start), 3);
        let first = window.take(start);
        let second = window.take(start);
        let later = start + Duration::from_millis(5);
        let third = window.take(later);
        assert_eq!(window.room(later), 0);
        assert_eq!(window.next_room(), Some(start + MAX_HOLD));
        window.release(first);
        assert_eq!(window.room(later), 1);
        assert_eq!(
            window.room(start + MAX_HOLD),
            2,
            "the slot of the lost packet is free"
        );
        window.release(second);
        assert_eq!(window.room(start + MAX_HOLD), 2, "a slot is released once");
        window.release(third);
        assert_eq!(window.room(start + MAX_HOLD), 3);
    }

    #[test]
    fn overtaken_packets_release_their_slots() {
        let start = Instant::now();
        let mut window = SendWindow::new(9);
        let tickets: Vec<Ticket> = (0..3)
            .flat_map(|ms| {
                let at = start + Duration::from_millis(ms);
                [window.take(at), window.take(at), window.take(at)]
            })
            .collect();
        let now = start + Duration::from_millis(2);
        assert_eq!(window.room(now), 0);
        window.release(tickets[3]);
        window.release_overtaken(tickets[3]);
        assert_eq!(
            window.room(now),
            1,
            "answers to the batch before may still arrive"
        );
        window.release(tickets[6]);
        window.release_overtaken(tickets[6]);
        assert_eq!(window.room(now), 5);
        window.release(tickets[0]);
        assert_eq!(window.room(now), 5, "the slot was released before");
    }

    #[test]
    fn a_fast_network_holds_slots_briefly() {
        let start = Instant::now();
        let mut window = SendWindow::new(1);
        for _ in 0..200 {
            window.sample(Duration::from_micros(100));
        }
        window.take(start);
        assert_eq!(window.room(start), 0);
        assert_eq!(window.room(start + MIN_HOLD), 1);
    }
}
