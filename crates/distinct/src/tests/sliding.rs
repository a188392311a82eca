//! Counts that slide, whenever they are read.

use super::super::*;
use super::{Naive, Random, START};
use seedwatch_clock::Unix;

/// Peers come and come back, some of them told late; gauges are read never, once or often in an hour.
#[test]
fn reading_seldom_or_often_is_the_same() {
    let key = Key::new([3; 16]);
    for seed in 0..8 {
        let mut random = Random(seed);
        let mut calendar = Calendar::start(Unix(START));
        let (mut set, mut naive) = (Set::new(), Naive::default());
        for hour in 0..1200_u64 {
            let at = calendar.tick(Unix(START + 3600 * hour));
            for _ in 0..random.below(4) {
                let peer = random.below(700) as u32;
                let source = random.below(SOURCES as u64) as usize;
                let late = random.below(4) * random.below(16);
                let then = hour.saturating_sub(late);
                set.add_late(key.v4(peer), source, at.hour() - (hour - then) as u32, at);
                naive.add(peer.into(), source, then);
                if random.chance(0.3) {
                    assert_eq!(set.counts(at), naive.counts(hour), "{seed} {hour}");
                }
            }
            // Quiet times, in which nobody looks, are longer than what a look foresees.
            if hour / 100 % 3 > 0 || random.chance(0.1) {
                assert_eq!(set.counts(at), naive.counts(hour), "{seed} {hour}");
            }
        }
    }
}

/// More of an hour than can be foreseen leave at once: counts are right, and found by another look.
#[test]
fn crowds_come_and_go() {
    let key = Key::new([3; 16]);
    for often in [1, 3] {
        let mut random = Random(often);
        let mut calendar = Calendar::start(Unix(START));
        let (mut set, mut naive) = (Set::new(), Naive::default());
        for hour in 0..200_u64 {
            let at = calendar.tick(Unix(START + 3600 * hour));
            for _ in 0..if random.chance(0.1) { 700 } else { 2 } {
                let peer = random.below(3_500) as u32;
                let source = random.below(SOURCES as u64) as usize;
                set.add(key.v4(peer), source, at);
                naive.add(peer.into(), source, hour);
            }
            for _ in 0..often {
                assert_eq!(set.counts(at), naive.counts(hour), "{often} {hour}");
            }
        }
    }
}

/// What was told late, and was over when it was told, counts nowhere.
#[test]
fn too_late_is_too_late() {
    let mut calendar = Calendar::start(Unix(START));
    let first = calendar.moment();
    let key = Key::new([3; 16]);
    let mut set = Set::new();
    for hour in 1..=40 * 24_u64 {
        set.counts(calendar.tick(Unix(START + 3600 * hour)));
    }
    let at = calendar.moment();
    let told = set.add_late(key.v4(1), 0, first.hour(), at);
    assert_eq!((told, set.counts(at)), (Sighting::Known, Counts::default()));
    assert!(set.is_empty());
    // Nor does anything come from an hour that has not come.
    set.add_late(key.v4(2), 0, at.hour() + 99, at);
    assert_eq!(set.counts(at).all, [1; 3]);
    let day = calendar.tick(Unix(START + 3600 * (40 * 24 + 24)));
    assert_eq!(set.counts(day).all, [0, 1, 1]);
}
