//! Events: changes of state that are kept, the latest [`MAX_EVENTS`]. Readers see those of the last
//! [`KEPT_DAYS`] days. Older ones are only hidden, because the wall clock may be ahead.
//!
//! Events name a torrent by its info-hash; readers look its name up. The order is that in which the
//! changes were seen, because the wall clock may be set back.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::snapshot::UnixOption32;
use crate::verdict::{Reason, State};
use seedwatch_clock::Unix;
use seedwatch_torrent::InfoHash;

/// Most events that are kept.
pub const MAX_EVENTS: usize = 100_000;

/// For how many days an event is shown.
pub(crate) const KEPT_DAYS: u64 = 90;

/// For how many seconds after a restart the same change is taken for a repetition. The state that a
/// kill lost is at most some minutes old, and is seen again within a few rounds.
const REPEATED_WITHIN: u64 = 24 * 3600;

/// A change of the state of a torrent, kept for [`KEPT_DAYS`] days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateEvent {
    /// The info-hash that identifies the torrent: the first one on the wire.
    pub torrent: InfoHash,
    /// The state before.
    pub from: State,
    /// The state after.
    pub to: State,
    /// Why.
    pub reason: Reason,
    /// When, by the wall clock.
    pub at: UnixOption32,
}

impl StateEvent {
    /// Length of the encoding, in bytes.
    pub const LENGTH: usize = 27;

    /// Returns the event as bytes: info-hash 20 | time 4 | from 1 | to 1 | reason 1.
    pub fn encode(&self) -> [u8; Self::LENGTH] {
        let mut bytes = [0; Self::LENGTH];
        let at = self.at.get().map_or(0, |at| at.0 as u32);
        bytes[..20].copy_from_slice(&self.torrent.0);
        bytes[20..24].copy_from_slice(&at.to_be_bytes());
        bytes[24] = self.from.index() as u8;
        bytes[25] = self.to.index() as u8;
        bytes[26] = self.reason.code();
        bytes
    }

    /// Reads what [`StateEvent::encode`] wrote; `None` if a code is unknown.
    pub fn decode(bytes: &[u8; Self::LENGTH]) -> Option<Self> {
        let (torrent, rest) = bytes.split_first_chunk::<20>()?;
        let (at, codes) = rest.split_first_chunk::<4>()?;
        let &[from, to, reason] = codes else {
            return None;
        };
        Some(Self {
            torrent: InfoHash(*torrent),
            from: *State::ALL.get(usize::from(from))?,
            to: *State::ALL.get(usize::from(to))?,
            reason: Reason::from_code(reason)?,
            at: Unix(u32::from_be_bytes(*at).into()).into(),
        })
    }

    fn is_recent(&self, now: Unix) -> bool {
        let end = self.at.get().map(|at| at.0 + KEPT_DAYS * 24 * 3600);
        end.is_none_or(|end| now.0 <= end)
    }
}

/// The events that are kept, in the order in which they were seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventHistory(VecDeque<StateEvent>);

impl EventHistory {
    /// Returns the history of these events: the latest [`MAX_EVENTS`].
    pub fn of(events: impl IntoIterator<Item = StateEvent>) -> Self {
        let mut history = Self::default();
        events.into_iter().for_each(|event| history.push(event));
        history
    }

    fn push(&mut self, event: StateEvent) {
        if self.0.len() == MAX_EVENTS {
            self.0.pop_front();
        }
        self.0.push_back(event);
    }

    /// Returns the events of the last [`KEPT_DAYS`] days, the latest first. While the clock is
    /// ahead, older events are hidden; they are not lost.
    pub fn latest(&self, now: Unix) -> impl Iterator<Item = &StateEvent> {
        let events = self.0.iter().rev();
        events.filter(move |event| event.is_recent(now))
    }

    /// Returns all events in order, hidden ones too.
    pub fn all(&self) -> impl ExactSizeIterator<Item = &StateEvent> {
        self.0.iter()
    }
}

/// Records events.
#[derive(Debug, Default)]
pub(crate) struct EventLog {
    history: Arc<EventHistory>,
    /// The last event of each torrent before the start, until its first change since.
    before_start: HashMap<InfoHash, StateEvent>,
    /// Events that [`EventLog::take_unsaved`] has not returned yet.
    unsaved: Vec<StateEvent>,
}

impl EventLog {
    /// Restores the events of earlier processes.
    pub(crate) fn restore(&mut self, history: EventHistory) {
        let events = history.0.iter();
        self.before_start = events.map(|event| (event.torrent, *event)).collect();
        self.history = Arc::new(history);
    }

    /// Records a change, and returns whether it is news. It is none if
    ///
    /// - it is the first good verdict about a torrent whose last event does not say otherwise, or
    /// - an earlier process recorded it, but was killed before it saved the state.
    pub(crate) fn record(&mut self, event: StateEvent) -> bool {
        let before = self.before_start.remove(&event.torrent);
        let is_repeated = before.is_some_and(|before| {
            let times = before.at.get().zip(event.at.get());
            let is_soon = times.is_some_and(|(before, now)| now.0 < before.0 + REPEATED_WITHIN);
            before.to == event.to && (is_soon || event.from == State::Pending)
        });
        let is_good = |state| matches!(state, State::Alive | State::Private);
        let was_bad = before.is_some_and(|before| !is_good(before.to));
        let is_first = event.from == State::Pending && is_good(event.to) && !was_bad;
        if is_repeated || is_first {
            return false;
        }
        Arc::make_mut(&mut self.history).push(event);
        if self.unsaved.len() < MAX_EVENTS {
            self.unsaved.push(event);
        }
        true
    }

    /// Returns the events since the last call.
    pub(crate) fn take_unsaved(&mut self) -> Vec<StateEvent> {
        std::mem::take(&mut self.unsaved)
    }

    pub(crate) fn history(&self) -> &Arc<EventHistory> {
        &self.history
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Unix = Unix(1_790_000_000);
    const DAY: u64 = 24 * 3600;

    fn event(n: u32, from: State, to: State, at: u64) -> StateEvent {
        let mut torrent = [0; 20];
        torrent[..4].copy_from_slice(&n.to_be_bytes());
        StateEvent {
            torrent: InfoHash(torrent),
            from,
            to,
            reason: Reason::Empty,
            at: Unix(at).into(),
        }
    }

    fn death(n: u32, at: u64) -> StateEvent {
        event(n, State::Alive, State::Dead, at)
    }

    #[test]
    fn decoding_reverses_encoding_and_rejects_unknown_codes() {
        for reason in Reason::ALL {
            for (from, to) in State::ALL.into_iter().zip(State::ALL.into_iter().rev()) {
                let event = StateEvent {
                    reason,
                    ..event(7, from, to, NOW.0)
                };
                assert_eq!(StateEvent::decode(&event.encode()), Some(event));
            }
        }
        for (position, code) in [(24, 6), (25, 255), (26, Reason::ALL.len() as u8)] {
            let mut bytes = death(7, NOW.0).encode();
            bytes[position] = code;
            assert_eq!(StateEvent::decode(&bytes), None);
        }
    }

    #[test]
    fn of_100001_events_the_latest_100000_are_kept() {
        let mut log = EventLog::default();
        for n in 0..=MAX_EVENTS as u32 {
            assert!(log.record(death(n, NOW.0)));
        }
        let history = log.history();
        assert_eq!(history.latest(NOW).count(), MAX_EVENTS);
        let (first, last) = (history.latest(NOW).last(), history.latest(NOW).next());
        assert_eq!(first, Some(&death(1, NOW.0)));
        assert_eq!(last, Some(&death(MAX_EVENTS as u32, NOW.0)));
        assert_eq!(EventHistory::of(history.all().copied()), **history);
    }

    #[test]
    fn a_clock_that_jumps_hides_events_and_loses_none() {
        let mut log = EventLog::default();
        log.record(death(1, NOW.0));
        // The clock is set back by a day, and then to the start of 1970.
        log.record(death(2, NOW.0 - DAY));
        log.record(death(3, 0));
        let order = |now| {
            let events = log.history().latest(Unix(now));
            events.map(|event| event.torrent.0[3]).collect::<Vec<_>>()
        };
        assert_eq!(order(NOW.0), [3, 2, 1]);
        assert_eq!(order(0), [3, 2, 1], "an unset clock");
        assert_eq!(order(NOW.0 + (KEPT_DAYS - 1) * DAY), [3, 2, 1]);
        assert_eq!(order(NOW.0 + KEPT_DAYS * DAY), [3, 1]);
        assert_eq!(order(NOW.0 + 400 * DAY), [3], "a clock that is ahead");
        assert_eq!(order(NOW.0), [3, 2, 1], "and right again");
    }

    #[test]
    fn first_verdicts_are_no_news_unless_they_are_bad() {
        let mut log = EventLog::default();
        assert!(!log.record(event(1, State::Pending, State::Alive, NOW.0)));
        assert!(!log.record(event(2, State::Pending, State::Private, NOW.0)));
        assert!(log.record(event(3, State::Pending, State::Dead, NOW.0)));
        assert!(log.record(event(1, State::Alive, State::AtRisk, NOW.0)));
    }

    #[test]
    fn what_a_killed_process_recorded_is_not_recorded_again() {
        let restored = || {
            let mut log = EventLog::default();
            log.restore(EventHistory::of([death(1, NOW.0)]));
            log
        };
        // The state was saved before the death.
        let mut log = restored();
        assert!(!log.record(death(1, NOW.0 + 3600)));
        assert!(log.take_unsaved().is_empty());
        assert!(log.record(event(1, State::Dead, State::Alive, NOW.0 + 7200)));
        assert!(log.record(death(1, NOW.0 + 9000)), "a second death is one");
        // The state is lost.
        assert!(!restored().record(event(1, State::Pending, State::Dead, NOW.0 + 90 * DAY)));
        assert!(restored().record(event(1, State::Pending, State::Alive, NOW.0 + 60)));
        // It was alive in between, unseen.
        assert!(restored().record(death(1, NOW.0 + 3 * DAY)));
    }
}
