//! Sliding counts, however often they are read.

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

use super::super::*;
use super::{Naive, START};
use seedwatch_clock::Unix;

/// Peers come and return, and some sightings arrive late. Counts are read never, once or often per
/// hour.
#[test]
fn counts_do_not_depend_on_how_often_they_are_read() {
    let key = Key::new([3; 16]);
    for seed in 0..8 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut clock = RunningClock::start(Unix(START));
        let (mut set, mut naive) = (Set::new(), Naive::default());
        for hour in 0..1200_u64 {
            let at = clock.tick(Unix(START + 3600 * hour));
            for _ in 0..rng.random_range(..4_u64) {
                let peer = rng.random_range(..700_u32);
                let source = rng.random_range(..SOURCES);
                let late = rng.random_range(..4_u64) * rng.random_range(..16_u64);
                let then = hour.saturating_sub(late);
                set.add_late(key.v4(peer), source, at.hour() - (hour - then) as u32, at);
                naive.add(peer.into(), source, then);
                if rng.random_bool(0.3) {
                    assert_eq!(set.counts(at), naive.counts(hour), "{seed} {hour}");
                }
            }
            // Times without a read are longer than the lookahead.
            if hour / 100 % 3 > 0 || rng.random_bool(0.1) {
                assert_eq!(set.counts(at), naive.counts(hour), "{seed} {hour}");
            }
        }
    }
}

/// More peers of one hour expire than the lookahead can note, so a recount must find them.
#[test]
fn counts_are_exact_when_many_peers_expire_at_once() {
    let key = Key::new([3; 16]);
    for often in [1, 3] {
        let mut rng = SmallRng::seed_from_u64(often);
        let mut clock = RunningClock::start(Unix(START));
        let (mut set, mut naive) = (Set::new(), Naive::default());
        for hour in 0..200_u64 {
            let at = clock.tick(Unix(START + 3600 * hour));
            for _ in 0..if rng.random_bool(0.1) { 700 } else { 2 } {
                let peer = rng.random_range(..3_500_u32);
                let source = rng.random_range(..SOURCES);
                set.add(key.v4(peer), source, at);
                naive.add(peer.into(), source, hour);
            }
            for _ in 0..often {
                assert_eq!(set.counts(at), naive.counts(hour), "{often} {hour}");
            }
        }
    }
}

#[test]
fn sightings_of_expired_or_future_hours_are_corrected() {
    let mut clock = RunningClock::start(Unix(START));
    let first = clock.moment();
    let key = Key::new([3; 16]);
    let mut set = Set::new();
    for hour in 1..=40 * 24_u64 {
        set.counts(clock.tick(Unix(START + 3600 * hour)));
    }
    let at = clock.moment();
    let effect = set.add_late(key.v4(1), 0, first.hour(), at);
    assert_eq!(effect, Insert::Unchanged);
    assert_eq!(set.counts(at), Counts::default());
    assert!(set.is_empty());
    // A sighting of a future hour becomes one of the current hour.
    set.add_late(key.v4(2), 0, at.hour() + 99, at);
    assert_eq!(set.counts(at).all, [1; 3]);
    let day = clock.tick(Unix(START + 3600 * (40 * 24 + 24)));
    assert_eq!(set.counts(day).all, [0, 1, 1]);
}
