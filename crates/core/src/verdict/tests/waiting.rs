//! How long a death waits for sources that have said nothing.

use std::time::Duration;

use super::super::{Circumstances, Evidence, Reason, State};
use super::{HOUR, Judged, at, dht, empty, trackers};

/// A source that has never said anything is waited for since the torrent is asked about, not since
/// its last peer.
#[test]
fn a_source_that_never_spoke_in_a_month_delays_no_death() {
    let (a, b) = (trackers([0]), trackers([1]));
    let with_silent = |mut evidence: Evidence| {
        evidence.silent = b;
        evidence.unheard = b;
        evidence
    };
    let mut torrent = Judged::default();
    for hour in 1..=800 {
        let evidence = Evidence {
            naming: a,
            has_listed_peer: true,
            ..Evidence::default()
        };
        torrent.judge(&with_silent(evidence), &at(hour * HOUR));
    }
    let states = [801, 802, 803].map(|hour| {
        let evidence = with_silent(empty(a, hour * HOUR));
        torrent.judge(&evidence, &at(hour * HOUR)).0
    });
    assert_eq!(states, [State::Alive, State::Alive, State::Dead]);
}

/// Judgements may be an hour apart where rounds are shorter.
#[test]
fn an_hour_between_two_judgements_is_no_sleep() {
    let mut torrent = Judged::default();
    let lab = |mono| Circumstances {
        patience: Duration::from_secs(150),
        dead_after: Duration::from_secs(300),
        ..at(mono)
    };
    let sources = trackers([0]);
    torrent.judge(&empty(sources, HOUR), &lab(HOUR));
    let later = 2 * HOUR;
    let verdict = torrent.judge(&empty(sources, later), &lab(later));
    assert_eq!(verdict, (State::Dead, Reason::Empty));
}

/// As after a reload that turns the DHT on.
#[test]
fn trackers_do_not_speak_for_a_dht_that_was_never_asked() {
    let mut torrent = Judged::alive(trackers([0]), 0);
    for hour in 1..=40 {
        let mut evidence = empty(trackers([0]), hour * HOUR);
        evidence.unasked = dht();
        let state = torrent.judge(&evidence, &at(hour * HOUR)).0;
        assert_ne!(state, State::Dead, "hour {hour}");
    }
}
