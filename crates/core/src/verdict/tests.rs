//! What each combination of answers proves, in virtual time.

mod explain;
mod one_round;
mod properties;
mod waiting;
mod year;

use std::time::Duration;

use super::{
    Circumstances, Condition, Evidence, MIN_EMPTY_TIME, NetworkState, RECOVERED_AFTER, Reason,
    Rounds, SourceSet, State, VerdictMemory,
};
use seedwatch_clock::{Mono, Now, Unix};
use seedwatch_torrent::Family;

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
/// The wall clock when the process started.
const START: u64 = 1_790_000_000;

/// Returns the circumstances of a working network.
fn at(mono: u64) -> Circumstances {
    Circumstances {
        now: Now {
            mono: Mono(mono),
            unix: Unix(START + mono / 1000),
        },
        hour: 100 + (mono / HOUR) as u32,
        network: NetworkState {
            working: [true; 2],
            ..NetworkState::default()
        },
        patience: Duration::from_secs(75 * 60),
        dead_after: MIN_EMPTY_TIME,
        recovered_after: RECOVERED_AFTER,
        rounds: Rounds::Many,
    }
}

/// Returns a set of trackers by their keys.
fn trackers<const N: usize>(keys: [u64; N]) -> SourceSet {
    let mut set = SourceSet::default();
    keys.into_iter().for_each(|at| set.add_tracker(at));
    set
}

/// Returns the set of the DHT.
fn dht() -> SourceSet {
    let mut set = SourceSet::default();
    set.add_dht();
    set
}

fn both(a: SourceSet, b: SourceSet) -> SourceSet {
    SourceSet(a.0 | b.0)
}

/// The answers of one round at a time.
fn naming(sources: SourceSet) -> Evidence {
    Evidence {
        naming: sources,
        has_listed_peer: true,
        ..Evidence::default()
    }
}

fn empty(sources: SourceSet, mono: u64) -> Evidence {
    Evidence {
        empty: sources,
        oldest_empty: Mono(mono),
        ..Evidence::default()
    }
}

/// One torrent that is judged again and again.
#[derive(Default)]
struct Judged(VerdictMemory);

impl Judged {
    /// Judges at a time and returns the state and its reason.
    fn judge(&mut self, evidence: &Evidence, at: &Circumstances) -> (State, Reason) {
        self.0.judge(evidence, at);
        let verdict = self.0.verdict();
        (verdict.state, verdict.reason)
    }

    /// Returns a torrent that had a peer at this time.
    fn alive(sources: SourceSet, mono: u64) -> Self {
        let mut torrent = Self::default();
        let verdict = torrent.judge(&naming(sources), &at(mono));
        assert_eq!(verdict, (State::Alive, Reason::PeersNamed));
        torrent
    }
}

#[test]
fn a_swarm_is_dead_after_two_rounds_of_answers_that_are_ninety_minutes_apart() {
    let sources = both(dht(), trackers([0, 1]));
    let mut torrent = Judged::alive(sources, 0);
    let pending = (State::Alive, Reason::EmptyRecently);
    assert_eq!(torrent.judge(&empty(sources, HOUR), &at(HOUR)), pending);
    let early = HOUR + 89 * MINUTE;
    assert_eq!(torrent.judge(&empty(sources, early), &at(early)), pending);
    let due = HOUR + 90 * MINUTE;
    // The second round of one source is still missing.
    assert_eq!(torrent.judge(&empty(sources, HOUR), &at(due)), pending);
    let dead = (State::Dead, Reason::Empty);
    assert_eq!(torrent.judge(&empty(sources, due), &at(due)), dead);
    let since = torrent.0.verdict().since;
    assert_eq!(
        torrent.judge(&empty(sources, due + HOUR), &at(due + HOUR)),
        dead
    );
    assert_eq!(torrent.0.verdict().since, since);
}

#[test]
fn a_lab_may_wait_for_less_time_but_not_for_fewer_rounds() {
    let sources = trackers([0]);
    let lab = |mono| Circumstances {
        dead_after: Duration::from_millis(MINUTE),
        patience: Duration::from_millis(MINUTE),
        ..at(mono)
    };
    let mut torrent = Judged::alive(sources, 0);
    let pending = (State::Alive, Reason::EmptyRecently);
    let (first, early, due) = (MINUTE, MINUTE + 59_000, 2 * MINUTE);
    for (answered, now) in [(first, first), (early, early), (first, due)] {
        let verdict = torrent.judge(&empty(sources, answered), &lab(now));
        assert_eq!(verdict, pending, "answered at {answered}, judged at {now}");
    }
    let verdict = torrent.judge(&empty(sources, due), &lab(due));
    assert_eq!(verdict, (State::Dead, Reason::Empty));
}

#[test]
fn a_single_empty_answer_a_day_is_not_enough() {
    let sources = trackers([0]);
    let mut torrent = Judged::alive(sources, 0);
    for hour in 6..12 {
        let verdict = torrent.judge(&empty(sources, 6 * HOUR), &at(hour * HOUR));
        assert_eq!(
            verdict,
            (State::Alive, Reason::EmptyRecently),
            "hour {hour}"
        );
    }
    let verdict = torrent.judge(&empty(sources, 12 * HOUR), &at(12 * HOUR));
    assert_eq!(verdict, (State::Dead, Reason::Empty));
}

#[test]
fn one_peer_at_one_source_ends_death_at_once() {
    let sources = both(dht(), trackers([0]));
    let mut torrent = Judged::default();
    torrent.judge(&empty(sources, 0), &at(0));
    torrent.judge(&empty(sources, 2 * HOUR), &at(2 * HOUR));
    assert_eq!(torrent.0.verdict().state, State::Dead);
    let mut evidence = empty(trackers([0]), 3 * HOUR);
    evidence.naming = dht();
    assert_eq!(torrent.judge(&evidence, &at(3 * HOUR)).0, State::Alive);
}

#[test]
fn a_torrent_without_two_rounds_is_pending() {
    let mut torrent = Judged::default();
    let unasked = Evidence {
        unasked: dht(),
        empty: trackers([0]),
        ..Evidence::default()
    };
    assert_eq!(
        torrent.judge(&unasked, &at(0)),
        (State::Pending, Reason::Unasked)
    );
    let sources = both(dht(), trackers([0]));
    let verdict = torrent.judge(&empty(sources, MINUTE), &at(MINUTE));
    assert_eq!(verdict, (State::Pending, Reason::EmptyRecently));
}

#[test]
fn a_source_that_vanishes_with_the_last_peer_may_hide_it_for_hours() {
    let mut torrent = Judged::alive(trackers([1]), 0);
    let mut evidence = empty(both(dht(), trackers([0])), 0);
    evidence.silent = trackers([1]);
    for hour in 1..=6 {
        evidence.oldest_empty = Mono(hour * HOUR);
        let verdict = torrent.judge(&evidence, &at(hour * HOUR));
        assert_eq!(verdict, (State::Alive, Reason::SourceLost), "hour {hour}");
    }
    for (hour, expected) in [
        (7, (State::Alive, Reason::EmptyRecently)),
        (8, (State::Dead, Reason::Empty)),
    ] {
        evidence.oldest_empty = Mono(hour * HOUR);
        assert_eq!(
            torrent.judge(&evidence, &at(hour * HOUR)),
            expected,
            "hour {hour}"
        );
    }
}

#[test]
fn trackers_that_never_named_a_peer_do_not_delay_a_verdict() {
    let mut torrent = Judged::alive(trackers([0]), 0);
    let mut evidence = empty(trackers([0]), HOUR);
    evidence.silent = trackers([1, 2]);
    torrent.judge(&evidence, &at(HOUR));
    evidence.oldest_empty = Mono(3 * HOUR);
    assert_eq!(torrent.judge(&evidence, &at(3 * HOUR)).0, State::Dead);
}

#[test]
fn trackers_do_not_speak_for_a_silent_dht() {
    let mut torrent = Judged::alive(dht(), 0);
    let mut evidence = empty(trackers([0]), HOUR);
    evidence.silent = dht();
    let verdict = torrent.judge(&evidence, &at(HOUR));
    assert_eq!(verdict, (State::Alive, Reason::DhtSilent));
    evidence.oldest_empty = Mono(40 * HOUR);
    let verdict = torrent.judge(&evidence, &at(40 * HOUR));
    assert_eq!(verdict, (State::Unobserved, Reason::DhtSilent));
}

#[test]
fn a_lost_family_may_hide_the_last_peers_for_a_week() {
    let mut sources = both(dht(), trackers([0]));
    sources.add_family(Family::Ipv6);
    let mut torrent = Judged::alive(sources, 0);
    let lost = |mono: u64| Circumstances {
        network: NetworkState {
            working: [true, false],
            ..NetworkState::default()
        },
        ..at(mono)
    };
    let mut state_at = |hour: u64| torrent.judge(&empty(sources, hour * HOUR), &lost(hour * HOUR));
    for hour in 1..=24 {
        assert_eq!(
            state_at(hour),
            (State::Alive, Reason::FamilyLost),
            "hour {hour}"
        );
    }
    for hour in 28..=168 {
        let expected = (State::Unobserved, Reason::FamilyLost);
        assert_eq!(state_at(hour), expected, "hour {hour}");
    }
    for hour in 169..=170 {
        state_at(hour);
    }
    assert_eq!(state_at(171).0, State::Dead);
}

#[test]
fn peers_of_the_other_family_are_not_hidden_by_a_lost_one() {
    let mut sources = trackers([0]);
    sources.add_family(Family::Ipv4);
    let mut torrent = Judged::alive(sources, 0);
    for hour in [1, 3] {
        let mut at = at(hour * HOUR);
        at.network.working = [true, false];
        torrent.judge(&empty(sources, hour * HOUR), &at);
    }
    assert_eq!(torrent.0.verdict().state, State::Dead);
}

#[test]
fn trackers_that_our_resolver_hides_leave_the_verdict_as_it_was() {
    let mut torrent = Judged::alive(trackers([0]), 0);
    let mut without_tracker = Judged::alive(dht(), 0);
    for hour in 1..50 {
        let mut at = at(hour * HOUR);
        at.network.names_fail = true;
        let evidence = Evidence {
            silent: trackers([0]),
            has_no_tracker: Some(true),
            ..empty(dht(), hour * HOUR)
        };
        let verdict = torrent.judge(&evidence, &at);
        assert_eq!(verdict, (State::Alive, Reason::Outage), "hour {hour}");
        let conditions = torrent.0.verdict().conditions;
        assert!(!conditions.has(Condition::NoTracker));
        without_tracker.judge(&empty(dht(), hour * HOUR), &at);
    }
    assert_eq!(without_tracker.0.verdict().state, State::Dead);
}

#[test]
fn our_own_outage_leaves_every_verdict_as_it_was() {
    let silent = Evidence {
        silent: both(dht(), trackers([0])),
        ..Evidence::default()
    };
    let mut torrent = Judged::alive(trackers([0]), 0);
    for hour in 1..50 {
        let mut at = at(hour * HOUR);
        at.network.is_out = true;
        let verdict = torrent.judge(&silent, &at);
        assert_eq!(verdict, (State::Alive, Reason::Outage), "hour {hour}");
    }
    // The sources have as long as ever to answer after the outage.
    let mut after = at(50 * HOUR);
    after.network.up_since = Mono(50 * HOUR);
    assert_eq!(
        torrent.judge(&silent, &after),
        (State::Alive, Reason::Silence)
    );
    after.now.mono = Mono(52 * HOUR);
    assert_eq!(
        torrent.judge(&silent, &after),
        (State::Unobserved, Reason::Silence)
    );
}

#[test]
fn silence_makes_a_torrent_unobserved_but_never_revives_a_dead_one() {
    let silent = Evidence {
        silent: trackers([0]),
        has_no_tracker: Some(true),
        ..Evidence::default()
    };
    let mut torrent = Judged::alive(trackers([0]), 0);
    assert_eq!(torrent.judge(&silent, &at(HOUR)).0, State::Alive);
    assert_eq!(
        torrent.judge(&silent, &at(3 * HOUR)),
        (State::Unobserved, Reason::Silence)
    );
    assert!(torrent.0.verdict().conditions.has(Condition::NoTracker));
    let mut dead = Judged::default();
    dead.judge(&empty(trackers([0]), 0), &at(0));
    dead.judge(&empty(trackers([0]), 2 * HOUR), &at(2 * HOUR));
    assert_eq!(
        dead.judge(&silent, &at(30 * HOUR)),
        (State::Dead, Reason::Silence)
    );
}

#[test]
fn a_tracker_that_is_empty_and_fails_in_turn_keeps_no_torrent_alive_for_ever() {
    let silent = Evidence {
        silent: trackers([0]),
        ..Evidence::default()
    };
    let mut torrent = Judged::alive(trackers([0]), 0);
    for hour in 1..200 {
        let now = hour * HOUR;
        let evidence = match hour % 2 {
            0 => silent,
            _ => empty(trackers([0]), now),
        };
        let (state, _) = torrent.judge(&evidence, &at(now));
        // A day, and twice the patience of 75 minutes.
        let expected = match hour {
            ..=26 => State::Alive,
            _ => State::Unobserved,
        };
        assert_eq!(state, expected, "hour {hour}");
    }
    // Two rounds without a failure between them are still death.
    torrent.judge(&empty(trackers([0]), 201 * HOUR), &at(201 * HOUR));
    let verdict = torrent.judge(&empty(trackers([0]), 203 * HOUR), &at(203 * HOUR));
    assert_eq!(verdict, (State::Dead, Reason::Empty));
}

#[test]
fn a_clock_that_is_wrong_leaves_no_wrong_time_of_the_state() {
    let with_clock = |mono: u64, unix: u64| {
        let mut at = at(mono);
        at.now.unix = Unix(unix);
        at
    };
    let since = |torrent: &Judged| torrent.0.verdict().since.get();
    let peers = naming(trackers([0]));
    // A machine without a battery starts in 1970, until the network sets its clock.
    let mut torrent = Judged::default();
    torrent.judge(&peers, &with_clock(0, 60));
    assert_eq!(since(&torrent), None);
    torrent.judge(&peers, &with_clock(MINUTE, START));
    assert_eq!(since(&torrent), Some(Unix(START)));
    // Going to 1970 and back changes nothing.
    torrent.judge(&peers, &with_clock(2 * MINUTE, 120));
    torrent.judge(&peers, &with_clock(3 * MINUTE, START + 120));
    assert_eq!(since(&torrent), Some(Unix(START)));
    // A start in the future is clamped to the corrected time.
    let mut torrent = Judged::default();
    torrent.judge(&peers, &with_clock(0, 4_070_908_800));
    torrent.judge(&peers, &with_clock(MINUTE, START + 60));
    assert_eq!(since(&torrent), Some(Unix(START + 60)));
}

#[test]
fn sleep_of_the_machine_is_no_time_between_two_rounds() {
    let sources = trackers([0]);
    let mut torrent = Judged::alive(sources, 0);
    torrent.judge(&empty(sources, HOUR), &at(HOUR));
    // Six hours of sleep, on both clocks; the first answer after it comes before a judgement.
    let verdict = torrent.judge(&empty(sources, 7 * HOUR), &at(7 * HOUR));
    assert_eq!(verdict, (State::Alive, Reason::EmptyRecently));
    let verdict = torrent.judge(&empty(sources, 9 * HOUR), &at(9 * HOUR));
    assert_eq!(verdict, (State::Dead, Reason::Empty));
    // The monotonic clock stood still, and the wall clock and running time went on.
    let mut torrent = Judged::alive(sources, 0);
    torrent.judge(&empty(sources, HOUR), &at(HOUR));
    let mut woken = at(HOUR + MINUTE);
    woken.now.unix.0 += 6 * 3600;
    woken.hour += 6;
    let verdict = torrent.judge(&empty(sources, HOUR + MINUTE), &woken);
    assert_eq!(verdict, (State::Alive, Reason::EmptyRecently));
}

#[test]
fn a_torrent_without_a_source_is_unobserved_and_a_private_one_private() {
    let mut torrent = Judged::default();
    let verdict = torrent.judge(&Evidence::default(), &at(0));
    assert_eq!(verdict, (State::Unobserved, Reason::NoSource));
    let private = Evidence {
        is_private: true,
        ..Evidence::default()
    };
    assert_eq!(
        torrent.judge(&private, &at(0)),
        (State::Private, Reason::Private)
    );
    assert_eq!(torrent.0.verdict().conditions.iter().count(), 0);
}

#[test]
fn few_peers_or_no_seeder_for_a_day_are_a_risk() {
    type Set = fn(&mut Evidence);
    let cases: [(Set, Condition); 2] = [
        (|it| it.has_few_peers = Some(true), Condition::FewPeers),
        (|it| it.has_seeder = Some(false), Condition::NoSeeder),
    ];
    for (set, condition) in cases {
        let mut evidence = naming(trackers([0]));
        set(&mut evidence);
        let mut torrent = Judged::default();
        for hour in 0..24 {
            assert_eq!(torrent.judge(&evidence, &at(hour * HOUR)).0, State::Alive);
        }
        assert_eq!(torrent.judge(&evidence, &at(24 * HOUR)).0, State::AtRisk);
        assert!(torrent.0.verdict().conditions.has(condition));
        // A value that is not known changes nothing.
        let unknown = naming(trackers([0]));
        assert_eq!(torrent.judge(&unknown, &at(25 * HOUR)).0, State::AtRisk);
    }
}

#[test]
fn a_torrent_at_risk_that_dies_is_dead_and_keeps_no_condition_of_the_living() {
    let mut evidence = naming(trackers([0]));
    evidence.has_few_peers = Some(true);
    let mut torrent = Judged::default();
    torrent.judge(&evidence, &at(0));
    torrent.judge(&evidence, &at(24 * HOUR));
    for hour in [25, 27] {
        torrent.judge(&empty(trackers([0]), hour * HOUR), &at(hour * HOUR));
    }
    assert_eq!(torrent.0.verdict().state, State::Dead);
    assert_eq!(torrent.0.verdict().conditions.iter().count(), 0);
}

#[test]
fn a_restart_keeps_the_state_and_counts_no_time_in_between() {
    let sources = trackers([0]);
    let mut torrent = Judged::alive(sources, 0);
    torrent.judge(&empty(sources, HOUR), &at(HOUR));
    let before_stop = HOUR + 30 * MINUTE;
    torrent.judge(&empty(sources, before_stop), &at(before_stop));
    let saved = torrent.0.save();
    // A new process starts at zero.
    let mut torrent = Judged(VerdictMemory::restore(saved, Mono(0)).expect("valid"));
    let unasked = Evidence {
        unasked: sources,
        ..Evidence::default()
    };
    assert_eq!(
        torrent.judge(&unasked, &at(0)),
        (State::Alive, Reason::Unasked)
    );
    let early = 59 * MINUTE;
    assert_eq!(
        torrent.judge(&empty(sources, early), &at(early)).0,
        State::Alive
    );
    let due = 60 * MINUTE;
    assert_eq!(torrent.judge(&empty(sources, due), &at(due)).0, State::Dead);
}

#[test]
fn saved_memory_of_an_unknown_state_is_refused() {
    let mut saved = VerdictMemory::default().save();
    saved.state = State::ALL.len() as u8;
    assert_eq!(VerdictMemory::restore(saved, Mono(0)), None);
}

#[test]
fn labels_are_distinct_and_read_back() {
    for state in State::ALL {
        assert_eq!(State::from_label(state.as_label()), Some(state));
        assert_eq!(State::ALL[state.index()], state);
    }
}

#[test]
fn a_source_that_comes_back_has_to_say_it_for_as_long_as_the_others() {
    let mut torrent = Judged::alive(trackers([1]), 0);
    let mut lost = empty(trackers([0]), 0);
    lost.silent = trackers([1]);
    for hour in 1..=3 {
        lost.oldest_empty = Mono(hour * HOUR);
        torrent.judge(&lost, &at(hour * HOUR));
    }
    // It has forgotten its peers.
    let back = empty(trackers([0, 1]), 4 * HOUR);
    let verdict = torrent.judge(&back, &at(4 * HOUR));
    assert_eq!(verdict, (State::Alive, Reason::EmptyRecently));
}

#[test]
fn a_family_that_comes_back_is_asked_before_a_torrent_is_dead() {
    let mut sources = both(dht(), trackers([0]));
    sources.add_family(Family::Ipv6);
    let mut torrent = Judged::alive(sources, 0);
    for hour in 1..=3 {
        let mut lost = at(hour * HOUR);
        lost.network.working = [true, false];
        torrent.judge(&empty(sources, hour * HOUR), &lost);
    }
    let mut back = at(4 * HOUR);
    back.network.family_since = [None, Some(Mono(4 * HOUR - MINUTE))];
    let verdict = torrent.judge(&empty(sources, 4 * HOUR), &back);
    assert_eq!(verdict, (State::Alive, Reason::EmptyRecently));
}

#[test]
fn a_dht_that_comes_back_has_to_say_it_twice() {
    let sources = both(dht(), trackers([0]));
    let mut torrent = Judged::alive(sources, 0);
    torrent.judge(&empty(sources, HOUR), &at(HOUR));
    let mut silent = empty(trackers([0]), 2 * HOUR);
    silent.silent = dht();
    torrent.judge(&silent, &at(2 * HOUR));
    let verdict = torrent.judge(&empty(sources, 4 * HOUR), &at(4 * HOUR));
    assert_eq!(verdict.0, State::Alive);
}

#[test]
fn one_silent_family_of_the_dht_may_hide_the_last_peers() {
    let mut torrent = Judged::alive(dht(), 0);
    let mut evidence = empty(dht(), HOUR);
    evidence.silent = dht();
    for hour in 1..=6 {
        evidence.oldest_empty = Mono(hour * HOUR);
        let verdict = torrent.judge(&evidence, &at(hour * HOUR));
        assert_eq!(verdict, (State::Alive, Reason::SourceLost), "hour {hour}");
    }
}

#[test]
fn a_family_that_never_worked_since_the_start_may_hide_peers_that_were_named_before() {
    let mut sources = trackers([0]);
    sources.add_family(Family::Ipv6);
    let saved = Judged::alive(sources, 0).0.save();
    let mut torrent = Judged(VerdictMemory::restore(saved, Mono(0)).expect("valid"));
    for hour in [1, 3] {
        let mut at = at(hour * HOUR);
        at.network.working = [true, false];
        let verdict = torrent.judge(&empty(trackers([0]), hour * HOUR), &at);
        assert_eq!(verdict, (State::Alive, Reason::FamilyLost), "hour {hour}");
    }
}
