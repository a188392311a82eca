//! What a command that asks only once may say.

use super::*;

/// Judges a torrent that nothing is known about, after its only round.
fn once(evidence: &Evidence) -> (State, Reason) {
    let at = Circumstances {
        rounds: Rounds::One,
        ..at(MINUTE)
    };
    Judged::default().judge(evidence, &at)
}

#[test]
fn one_round_shows_a_death_only_if_every_source_answers_and_lists_no_peer() {
    let all_empty = empty(both(trackers([0, 1]), dht()), MINUTE);
    assert_eq!(once(&all_empty), (State::Dead, Reason::EmptyOnce));
    let is_daemon = Judged::default().judge(&all_empty, &at(MINUTE));
    assert_eq!(is_daemon, (State::Pending, Reason::EmptyRecently));
    for silent in [trackers([2]), dht()] {
        let evidence = Evidence {
            silent,
            ..empty(trackers([0, 1]), MINUTE)
        };
        let expected = (State::Pending, Reason::EmptyInPart);
        assert_eq!(once(&evidence), expected, "{silent:?}");
    }
    let unasked = Evidence {
        unasked: dht(),
        ..empty(trackers([0]), MINUTE)
    };
    assert_eq!(once(&unasked), (State::Pending, Reason::Unasked));
}

#[test]
fn one_round_of_silence_shows_nothing() {
    let evidence = Evidence {
        silent: both(trackers([0]), dht()),
        ..Evidence::default()
    };
    assert_eq!(once(&evidence), (State::Pending, Reason::SilentOnce));
    let nothing = (State::Unobserved, Reason::NoSource);
    assert_eq!(once(&Evidence::default()), nothing);
}

#[test]
fn one_peer_shows_life_in_one_round() {
    let evidence = Evidence {
        silent: dht(),
        empty: trackers([1]),
        ..naming(trackers([0]))
    };
    assert_eq!(once(&evidence), (State::Alive, Reason::PeersNamed));
    let private = Evidence {
        is_private: true,
        ..evidence
    };
    assert_eq!(once(&private), (State::Private, Reason::Private));
}
