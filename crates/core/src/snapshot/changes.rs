//! Torrents by state, now and before.

use std::collections::HashMap;

use super::{Snapshot, TorrentView};
use crate::events::{MAX_EVENTS, StateEvent};
use crate::verdict::State;
use seedwatch_clock::Unix;
use seedwatch_torrent::InfoHash;

/// Numbers of torrents by [`State::index`].
pub type StateCounts = [u32; State::ALL.len()];

/// How far, in seconds, an event may lie in the future. One that is further ahead was recorded
/// while the clock was wrong, so it is not known when it happened.
const TOLERATED_AHEAD: u64 = 3600;

/// What a change of state means for the owner of a torrent, the most urgent first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeKind {
    /// The torrent is dead now.
    Died,
    /// The torrent is at risk now, and was not dead before.
    BecameAtRisk,
    /// The sources that could know of peers do not answer any more.
    BecameUnobserved,
    /// The torrent was dead or at risk, and is better now.
    Recovered,
    /// The torrent was unobserved, and is alive.
    ObservedAgain,
    /// The torrent was not judged before, or is not any more.
    Other,
}

impl ChangeKind {
    /// All kinds, the most urgent first.
    pub const ALL: [Self; 6] = [
        Self::Died,
        Self::BecameAtRisk,
        Self::BecameUnobserved,
        Self::Recovered,
        Self::ObservedAgain,
        Self::Other,
    ];

    /// Returns the kind of a change from one state to another.
    pub const fn of(from: State, to: State) -> Self {
        match (from, to) {
            (_, State::Dead) => Self::Died,
            (State::Dead, State::AtRisk | State::Alive) => Self::Recovered,
            (_, State::AtRisk) => Self::BecameAtRisk,
            (_, State::Unobserved) => Self::BecameUnobserved,
            (State::AtRisk, State::Alive) => Self::Recovered,
            (State::Unobserved, State::Alive) => Self::ObservedAgain,
            _ => Self::Other,
        }
    }
}

/// A torrent whose state is another one than before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TorrentChange {
    /// The index in [`Snapshot::torrents`].
    pub torrent: usize,
    /// The state before.
    pub from: State,
    /// The state now.
    pub to: State,
}

impl TorrentChange {
    /// Returns what the change means.
    pub const fn kind(&self) -> ChangeKind {
        ChangeKind::of(self.from, self.to)
    }
}

/// The torrents whose state is another one than at a point in time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StateChanges {
    /// The changes, in the order of [`Snapshot::torrents`].
    pub changes: Vec<TorrentChange>,
    /// Whether all events since then are kept. Otherwise, changes may be missing.
    pub is_complete: bool,
}

impl StateChanges {
    /// Returns the changes of a kind.
    pub fn of(&self, kind: ChangeKind) -> impl Iterator<Item = &TorrentChange> {
        let changes = self.changes.iter();
        changes.filter(move |change| change.kind() == kind)
    }

    /// Returns how many torrents were in each state. `now` are the torrents by their current state,
    /// all of them or some, such as those of a collection; `is_counted` says by index which they
    /// are. A torrent that was configured since then counts as if it had always been.
    #[must_use]
    pub fn before(&self, now: StateCounts, is_counted: impl Fn(usize) -> bool) -> StateCounts {
        let mut before = now;
        for change in self.changes.iter().filter(|it| is_counted(it.torrent)) {
            let to = &mut before[change.to.index()];
            *to = to.saturating_sub(1);
            before[change.from.index()] += 1;
        }
        before
    }
}

impl Snapshot {
    /// Returns the torrents whose state is another one than at a point in time. A torrent that
    /// changed and changed back is not among them.
    ///
    /// The events are the source. Those that were recorded while the clock was not set, or ahead of
    /// the snapshot, have no place in time and do not count.
    pub fn changes_since(&self, since: Unix) -> StateChanges {
        let latest = self.taken.0.saturating_add(TOLERATED_AHEAD);
        let is_since = |event: &&StateEvent| {
            let at = event.at.get();
            at.is_some_and(|at| at >= since && at.0 <= latest)
        };
        let mut before: HashMap<InfoHash, State> = HashMap::new();
        for event in self.events.all().filter(is_since) {
            before.entry(event.torrent).or_insert(event.from);
        }
        let changed = (0..self.torrents.len()).filter_map(|torrent| {
            let hash = self.torrents[torrent].hashes.wire().next()?;
            let from = *before.get(&hash)?;
            let to = self.row(torrent)?.verdict.state;
            (from != to).then_some(TorrentChange { torrent, from, to })
        });
        let changes = match before.is_empty() {
            true => Vec::new(),
            false => changed.collect(),
        };
        let oldest = self.events.all().next().and_then(|event| event.at.get());
        let is_complete =
            self.events.all().len() < MAX_EVENTS || oldest.is_some_and(|at| at < since);
        StateChanges {
            changes,
            is_complete,
        }
    }

    /// Returns the number of torrents by their last state on each of the last `count` days, the
    /// oldest first. `None` is a day on which nothing was known of any torrent. `is_counted`
    /// selects the torrents.
    pub fn states_per_day(
        &self,
        count: usize,
        is_counted: impl Fn(&TorrentView<'_>) -> bool,
    ) -> Vec<Option<StateCounts>> {
        let mut days = vec![None::<StateCounts>; count];
        for view in self.rows().filter(is_counted) {
            let shown = view.history.last_days(count, self.taken);
            for (numbers, day) in days.iter_mut().zip(shown) {
                if let Some(state) = day.and_then(|day| day.last) {
                    numbers.get_or_insert_default()[state.index()] += 1;
                }
            }
        }
        days
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::events::EventHistory;
    use crate::snapshot::{Privacy, Torrent, TorrentRow};
    use crate::verdict::{Reason, Verdict};
    use seedwatch_torrent::{Hashes, TrackerList};

    const NOW: u64 = 1_790_000_000;
    const DAY: u64 = 24 * 3600;

    fn snapshot(states: &[State], events: &[(u8, State, State, u64)]) -> Snapshot {
        let torrents = states.iter().zip(0..).map(|(state, n)| {
            let torrent = Torrent {
                name: format!("t{n}").into(),
                hashes: Hashes::V1(InfoHash([n; 20])),
                trackers: TrackerList::default(),
                details: None,
                privacy: Privacy::Public,
                size: None,
            };
            let verdict = Verdict {
                state: *state,
                ..Verdict::default()
            };
            let row = TorrentRow {
                verdict,
                ..TorrentRow::default()
            };
            (torrent, row, Vec::new(), None)
        });
        let events = events.iter().map(|(n, from, to, at)| StateEvent {
            torrent: InfoHash([*n; 20]),
            from: *from,
            to: *to,
            reason: Reason::Empty,
            at: Unix(*at).into(),
        });
        let snapshot = Snapshot {
            taken: Unix(NOW),
            events: Arc::new(EventHistory::of(events)),
            ..Snapshot::default()
        };
        snapshot.with_torrents(torrents)
    }

    #[test]
    fn changes_are_those_from_the_state_then_to_the_state_now() {
        use State::{Alive, AtRisk, Dead, Unobserved};
        let states = [Dead, Alive, Alive, AtRisk, Alive, Unobserved];
        let hour = 3600;
        let events = [
            // Older than a day.
            (4, Dead, Alive, NOW - DAY - hour),
            (0, Alive, AtRisk, NOW - 20 * hour),
            (0, AtRisk, Dead, NOW - 2 * hour),
            // There and back again.
            (1, Alive, Dead, NOW - 20 * hour),
            (1, Dead, Alive, NOW - 10 * hour),
            (2, Dead, Alive, NOW - hour),
            (3, Alive, AtRisk, NOW),
            (5, Alive, Unobserved, NOW - 3 * hour),
            // Not in the configuration.
            (9, Alive, Dead, NOW - hour),
        ];
        let snapshot = snapshot(&states, &events);
        let changes = snapshot.changes_since(Unix(NOW - DAY));
        assert!(changes.is_complete);
        let of = |kind| changes.of(kind).map(|it| it.torrent).collect::<Vec<_>>();
        assert_eq!(of(ChangeKind::Died), [0]);
        assert_eq!(of(ChangeKind::Recovered), [2]);
        assert_eq!(of(ChangeKind::BecameAtRisk), [3]);
        assert_eq!(of(ChangeKind::BecameUnobserved), [5]);
        assert_eq!(changes.changes.len(), 4);
        // Dead, at risk, unobserved, pending, alive, private.
        let now = snapshot.torrents_by_state();
        assert_eq!(now, [1, 1, 1, 0, 3, 0]);
        assert_eq!(changes.before(now, |_| true), [1, 0, 0, 0, 5, 0]);
        let first_two = [1, 0, 0, 0, 1, 0];
        assert_eq!(changes.before(first_two, |n| n < 2), [0, 0, 0, 0, 2, 0]);
    }

    #[test]
    fn an_event_of_a_clock_that_was_wrong_has_no_place_in_time() {
        let died = |at| (0, State::Alive, State::Dead, at);
        for (at, expected) in [(NOW - 1, 1), (NOW + 400 * DAY, 0), (0, 0)] {
            let snapshot = snapshot(&[State::Dead], &[died(at)]);
            let changes = snapshot.changes_since(Unix(NOW - DAY));
            assert_eq!(changes.changes.len(), expected, "{at}");
        }
    }

    #[test]
    fn changes_may_be_missing_once_events_were_dropped() {
        let at = |n: usize| NOW - (MAX_EVENTS - n) as u64;
        let event = |n| (0, State::Alive, State::Dead, at(n));
        let events: Vec<_> = (0..MAX_EVENTS).map(event).collect();
        let snapshot = snapshot(&[State::Dead], &events);
        assert!(!snapshot.changes_since(Unix(at(0) - 1)).is_complete);
        assert!(snapshot.changes_since(Unix(at(1))).is_complete);
    }

    #[test]
    fn every_change_has_a_kind() {
        for from in State::ALL {
            for to in State::ALL.into_iter().filter(|to| *to != from) {
                let kind = ChangeKind::of(from, to);
                assert_eq!(kind == ChangeKind::Died, to == State::Dead);
                let is_judged = |state| !matches!(state, State::Pending | State::Private);
                if is_judged(from) && is_judged(to) {
                    assert_ne!(kind, ChangeKind::Other, "{from:?} {to:?}");
                }
            }
        }
    }
}
