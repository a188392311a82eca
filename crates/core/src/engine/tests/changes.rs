//! Changes since yesterday, and the days of torrents, as the engine records them.

use super::*;
use crate::verdict::State;

const HOUR: u64 = 3600;
const B_LABEL: &str = "udp://b.example:1";

/// Each tracker answers for hours, and fails for hours.
fn alive(at: u64, label: &str) -> bool {
    match label {
        A_LABEL => at / HOUR % 31 < 20,
        B_LABEL => at / HOUR % 43 < 25,
        _ => true,
    }
}

#[test]
fn changes_since_yesterday_are_the_difference_of_two_snapshots() {
    let torrents = [(1, &[A][..]), (2, &[B]), (3, &[A, B])];
    let torrents = torrents.map(|(n, urls)| torrent(n, urls, Privacy::Public));
    let mut sim = Sim::new(&settings(torrents.into()));
    let mut states = Vec::new();
    let mut changed = 0;
    for hour in 1..=150_u64 {
        sim.run(hour * HOUR, alive);
        let snapshot = sim.snapshot();
        let now = snapshot.torrents_by_state();
        states.push(now);
        let Some(then) = (hour as usize).checked_sub(25) else {
            continue;
        };
        // Events of that snapshot are older than it.
        let since = Unix(snapshot.taken.0 - 24 * HOUR + 1);
        let changes = snapshot.changes_since(since);
        assert!(changes.is_complete);
        assert_eq!(changes.before(now, |_| true), states[then], "hour {hour}");
        changed += changes.changes.len();
    }
    assert!(changed > 20, "{changed}");
}

#[test]
fn a_day_without_an_answer_is_a_gap_in_the_snapshot() {
    let mut sim = Sim::new(&settings(vec![torrent(1, &[A], Privacy::Public)]));
    // The clock of the simulation starts at 22:13.
    let is_off = |at: u64| (2 * 24..4 * 24 + 4).contains(&(at / HOUR));
    let mut last = None;
    for minute in (5..6 * 24 * 60).step_by(5) {
        sim.run(minute * 60, |at, label| label.is_empty() || !is_off(at));
        last = Some(sim.snapshot());
    }
    let snapshot = last.unwrap();
    let view = snapshot.row(0).unwrap();
    let days = view.history.last_days(8, snapshot.taken);
    let most = days.map(|day| Some(day?.peers?.most));
    let expected = [
        None,
        Some(1),
        Some(1),
        Some(1),
        None,
        None,
        Some(1),
        Some(1),
    ];
    assert_eq!(most.collect::<Vec<_>>(), expected);
    let states = snapshot.states_per_day(4, |_| true);
    let alive_or_at_risk =
        |counts: [u32; 6]| counts[State::Alive.index()] + counts[State::AtRisk.index()];
    let shown = states.iter().map(|counts| counts.map(alive_or_at_risk));
    assert_eq!(shown.collect::<Vec<_>>(), [None, None, Some(1), Some(1)]);
}
