//! Sets compared with naive ones.

mod bottom_k;
mod codec;
mod entries;
mod journal;
mod running_clock;
mod sliding_counts;

use std::collections::{BTreeMap, HashMap};

use super::entry::Entry;
use super::*;
use seedwatch_clock::Unix;

/// The beginning of an hour long after 1970.
const START: u64 = 1_700_000_000 / 3600 * 3600;

/// The reference that sets are compared with: the last hour of each peer for each source, and the
/// number of peers by hour for each stream. The last stream is all sources together.
#[derive(Default, Clone)]
struct Naive {
    last: HashMap<u64, [Option<u64>; SOURCES]>,
    by_hour: [BTreeMap<u64, u32>; SOURCES + 1],
}

impl Naive {
    fn add(&mut self, peer: u64, source: usize, hour: u64) {
        let last = self.last.entry(peer).or_default();
        let before = *last;
        last[source] = last[source].max(Some(hour));
        let after = *last;
        let any = |last: [Option<u64>; SOURCES]| last.into_iter().max().flatten();
        for (stream, before, after) in [
            (source, before[source], after[source]),
            (SOURCES, any(before), any(after)),
        ] {
            if let Some(before) = before {
                *self.by_hour[stream].entry(before).or_default() -= 1;
            }
            if let Some(after) = after {
                *self.by_hour[stream].entry(after).or_default() += 1;
            }
        }
    }

    fn counts(&self, now: u64) -> Counts {
        let streams = self.by_hour.each_ref().map(|by_hour| {
            Window::ALL.map(|window| {
                let start = (now + 1).saturating_sub(window.hours().into());
                by_hour.range(start..).map(|(_, count)| count).sum()
            })
        });
        Counts {
            all: streams[SOURCES],
            by_source: std::array::from_fn(|source| streams[source]),
        }
    }
}

/// Pairs each figure of one count with that of another.
fn pairs(one: &Counts, other: &Counts) -> Vec<(u32, u32)> {
    let flat = |c: &Counts| [&[c.all][..], &c.by_source].concat().concat();
    flat(one).into_iter().zip(flat(other)).collect()
}

#[test]
fn windows_slide_by_the_hour() {
    let mut clock = RunningClock::start(Unix(START));
    let key = Key::new([1; 16]);
    let mut set = Set::new();
    set.add(key.v4(1), 0, clock.moment());
    for hour in 0..=Window::Month.hours() {
        let at = clock.tick(Unix(START + 3600 * u64::from(hour)));
        let expected = Window::ALL.map(|window| u32::from(hour < window.hours()));
        let counts = set.counts(at);
        assert_eq!(counts.all, expected, "after {hour} hours");
        let by_source = std::array::from_fn(|source| [expected, [0; 3]][source.min(1)]);
        assert_eq!(counts.by_source, by_source, "after {hour} hours");
    }
}

#[test]
fn sources_overlap_and_unknown_sources_are_ignored() {
    let at = RunningClock::start(Unix(START)).moment();
    let key = Key::new([1; 16]);
    let mut set = Set::new();
    for peer in 0..30 {
        set.add(key.v4(peer), 0, at);
    }
    for peer in 20..60 {
        set.add(key.v6(peer.into()), 1, at);
        set.add(key.v4(peer), 1, at);
    }
    let counts = set.counts(at);
    assert_eq!(counts.all, [100; 3]);
    assert_eq!(counts.by_source[..2], [[30; 3], [80; 3]]);
    set.add(key.v4(0), SOURCES, at);
    set.add(key.v4(1000), usize::MAX, at);
    assert_eq!(set.counts(at), counts);
}

#[test]
fn peers_seen_again_stay() {
    let mut clock = RunningClock::start(Unix(START));
    let key = Key::new([1; 16]);
    let mut set = Set::new();
    set.add(key.v4(1), 0, clock.moment());
    set.add(key.v4(2), 0, clock.moment());
    for hour in 1..=40 * 24_u64 {
        let at = clock.tick(Unix(START + 3600 * hour));
        if hour % 23 == 0 {
            set.add(key.v4(1), (hour % 2) as usize, at);
        }
        assert_eq!(set.counts(at).all[0], 1 + u32::from(hour < 24), "{hour}");
    }
    assert_eq!(set.counts(clock.moment()).all, [1; 3]);
    assert_eq!(set.parts().2.len(), 1);
    assert!(set.heap() <= size_of::<Entry>() * 8);
}

#[test]
fn a_peer_of_two_sources_takes_at_most_eight_bytes() {
    let entry = size_of::<Entry>();
    assert_eq!(entry, [6, 7, 9, 10][SOURCES - 1]);
    let at = RunningClock::start(Unix(START)).moment();
    let key = Key::new([1; 16]);
    let mut set = Set::new();
    for peer in 1..K as u32 {
        set.add(key.v4(peer), 0, at);
        set.add(key.v4(peer), 1, at);
        let bound = ((entry + 1) * peer as usize).max(entry * peer as usize + 64);
        assert!(set.heap() <= bound, "{} for {peer}", set.heap());
    }
    assert_eq!(set.counts(at).all, [K as u32 - 1; 3]);
    assert!(SOURCES > 2 || size_of::<Set>() <= 176);
}
