//! Pruning with a small k compared with its definition; large sets.

use proptest::prelude::*;

use rand::rngs::SmallRng;
use rand::{Rng, RngExt, SeedableRng};

use super::super::bottom_k::{Thresholds, count, prune};
use super::super::entry::Entry;
use super::super::*;
use super::{Naive, START, pairs};
use seedwatch_clock::Unix;

/// Prunes entries by the definition.
fn definition(entries: &[Entry], k: usize) -> Vec<Entry> {
    let kept = |entry: &Entry, source: usize| {
        let precedes = |o: &&Entry| o.hash() < entry.hash() && o.slot(source) >= entry.slot(source);
        let is_dropped = entries.iter().filter(precedes).count() >= k;
        if is_dropped { 0 } else { entry.slot(source) }
    };
    entries
        .iter()
        .map(|entry| Entry::new(entry.hash(), std::array::from_fn(|s| kept(entry, s))))
        .filter(|entry| !entry.is_blank())
        .collect()
}

fn entries(by_hash: std::collections::BTreeMap<u64, [u32; SOURCES]>) -> Vec<Entry> {
    let entries = by_hash.into_iter();
    let entries = entries.map(|(hash, slots)| Entry::new(hash, slots));
    entries.filter(|entry| !entry.is_blank()).collect()
}

/// Prunes entries.
fn pruned(entries: &[Entry], k: usize, now: u32) -> (Vec<Entry>, Thresholds) {
    let mut kept = entries.iter().copied().collect();
    let thresholds = prune(&mut kept, k, now);
    (kept.iter().copied().collect(), thresholds)
}

/// Returns the `k` smallest hashes of a window, or all if there are fewer.
fn bottom(entries: &[Entry], k: usize, cutoff: u32, stream: Option<usize>) -> Vec<u64> {
    let inside = |entry: &&Entry| match stream {
        Some(source) => entry.slot(source) >= cutoff,
        None => entry.slots().into_iter().any(|slot| slot >= cutoff),
    };
    entries
        .iter()
        .filter(inside)
        .map(|e| e.hash())
        .take(k)
        .collect()
}

/// Slots of all sources, each below `end`.
fn slots_below(end: u32) -> impl Strategy<Value = [u32; SOURCES]> {
    prop::collection::vec(0..end, SOURCES).prop_map(|slots| slots.try_into().unwrap())
}

proptest! {
    #[test]
    fn pruning_keeps_the_smallest_hashes_of_every_window(
        before in prop::collection::btree_map(0_u64..400, slots_below(40), 0..120),
        after in prop::collection::btree_map(0_u64..400, slots_below(60), 0..60),
        k in 1_usize..12,
    ) {
        let mut all = before.clone();
        let before = entries(before);
        let (kept, _) = pruned(&before, k, 40);
        prop_assert_eq!(&kept, &definition(&before, k));
        // Pruning early or late leaves the same.
        let mut rest: std::collections::BTreeMap<_, _> =
            kept.iter().map(|e| (e.hash(), e.slots())).collect();
        for (hash, slots) in after {
            for map in [&mut rest, &mut all] {
                let known = map.entry(hash).or_default();
                *known = std::array::from_fn(|source| known[source].max(slots[source]));
            }
        }
        let (rest, all) = (entries(rest), entries(all));
        for cutoff in 1..=60 {
            for stream in (0..SOURCES).map(Some).chain([None]) {
                prop_assert_eq!(bottom(&rest, k, cutoff, stream), bottom(&all, k, cutoff, stream));
            }
        }
        let cutoffs = [50, 30, 1];
        // The size of chunks does not matter.
        let counted = count(rest.chunks(7), k, cutoffs);
        prop_assert_eq!(counted, count(all.chunks(64), k, cutoffs));
        prop_assert_eq!(pruned(&rest, k, 60).0, pruned(&all, k, 60).0);
    }

    #[test]
    fn thresholds_reject_exactly_what_pruning_would_drop(
        seen in prop::collection::btree_map(0_u64..400, slots_below(5), 0..120),
        hash in 0_u64..400,
        source in 0..SOURCES,
        k in 1_usize..12,
    ) {
        let mut seen = seen;
        let (kept, thresholds) = pruned(&entries(seen.clone()), k, 4);
        seen.entry(hash).or_default()[source] = 4;
        let (more, _) = pruned(&entries(seen), k, 4);
        if hash >= thresholds[source] {
            prop_assert_eq!(more, kept);
        } else {
            prop_assert!(more.iter().any(|e| e.hash() == hash && e.slot(source) == 4));
        }
    }
}

/// Returns the sightings of a large swarm over forty days, those of each hour in random order.
fn stream(seed: u64, peers: u64) -> Vec<(u64, PeerHash, usize)> {
    let mut rng = SmallRng::seed_from_u64(seed);
    let mut sightings = Vec::new();
    for number in 0..peers {
        let peer = PeerHash(rng.random_range(..1 << 36));
        let hour = 960 * number / peers;
        for source in 0..SOURCES {
            if rng.random_bool(0.8) {
                sightings.push((hour, peer, source));
                sightings.push((hour + rng.random_range(..30_u64), peer, source));
            }
        }
    }
    sightings.sort_by_key(|(hour, ..)| *hour);
    sightings
}

/// Returns the set of the sightings that `which` selects, and the moment after them.
fn set(stream: &[(u64, PeerHash, usize)], which: impl Fn(usize) -> bool) -> (Set, Moment) {
    let mut clock = RunningClock::start(Unix(START));
    let mut set = Set::new();
    for (number, (hour, peer, source)) in stream.iter().enumerate() {
        let at = clock.tick(Unix(START + 3600 * hour));
        if which(number) {
            set.add(*peer, *source, at);
        }
    }
    (set, clock.moment())
}

/// Asserts that two sets have the same counts and, once pruned, the same entries.
fn assert_same(mut one: Set, mut other: Set, at: Moment) {
    assert_eq!(one.counts(at), other.counts(at));
    let pruned = |set: &Set| {
        let mut bytes = Vec::new();
        let mut current = Set::new();
        current.unite(set, at);
        let (base, newest, entries) = current.parts();
        let mut entries = entries.clone();
        prune(&mut entries, K, newest - base);
        Set::from_parts(base, newest, entries).encode(&mut bytes);
        bytes
    };
    assert!(pruned(&one) == pruned(&other));
}

#[test]
fn a_union_is_the_set_of_the_united_stream() {
    // Two exact sets, an exact one and a sample, two samples.
    for (peers, share) in [(2_000, 2), (12_000, 2), (12_000, 10), (3_000, 3)] {
        let stream = stream(peers, peers);
        let (whole, at) = set(&stream, |_| true);
        let (mut one, _) = set(&stream, |n| n % share == 0);
        // Some sightings are in both.
        let (other, _) = set(&stream, |n| n % share != 0 || n % 7 == 0);
        let mut reversed = other.clone();
        reversed.unite(&one, at);
        one.unite(&other, at);
        assert_same(one, whole.clone(), at);
        assert_same(reversed, whole, at);
    }
}

#[test]
fn a_flattened_union_is_the_set_of_a_single_source() {
    let stream = stream(3, 15_000);
    let (sources, at) = set(&stream, |_| true);
    let single: Vec<_> = stream
        .iter()
        .map(|(hour, peer, _)| (*hour, *peer, 0))
        .collect();
    let (single, _) = set(&single, |_| true);
    let mut flattened = Set::new();
    flattened.unite_flattened(&sources, at);
    assert_same(flattened, single, at);
}

#[test]
fn order_within_an_hour_does_not_matter() {
    let mut stream = stream(4, 12_000);
    let (one, at) = set(&stream, |_| true);
    stream.reverse();
    stream.sort_by_key(|(hour, ..)| *hour);
    let (other, _) = set(&stream, |_| true);
    assert_same(one, other, at);
}

/// The swarm grows above K, bursts, and shrinks again. Windows must be exact whenever fewer than K
/// peers are in them.
#[test]
fn counts_of_a_shrunk_swarm_are_exact_again() {
    let mut rng = SmallRng::seed_from_u64(9);
    let mut clock = RunningClock::start(Unix(START));
    let (mut set, mut naive) = (Set::new(), Naive::default());
    let key = Key::new([3; 16]);
    let mut exact = [0; 3];
    for hour in 0..50 * 24_u64 {
        let at = clock.tick(Unix(START + 3600 * hour));
        let new = match hour {
            0..100 => 10,
            100..200 => 100,
            200 => 8_000,
            _ => 4,
        };
        for _ in 0..new {
            let address = rng.next_u64() as u32;
            set.add(key.v4(address), 0, at);
            naive.add(address.into(), 0, hour);
        }
        if hour > 250 && hour % 5 != 0 {
            continue;
        }
        let truth = naive.counts(hour);
        for (window, (found, truth)) in (0..).zip(pairs(&set.counts(at), &truth)) {
            if (truth as usize) < K {
                assert_eq!(found, truth, "{hour} {window}");
                exact[window % 3] += u32::from(hour > 200);
            } else {
                let error = f64::from(found) / f64::from(truth) - 1.0;
                assert!(error.abs() < 0.05, "{found} for {truth}");
            }
        }
    }
    assert_eq!(exact.map(|hours| hours > 3 * 100), [true; 3]);
    assert!(set.heap() < 9 * 3_200, "{}", set.heap());
}

#[test]
fn one_sigma_is_below_two_percent() {
    const KEYS: u8 = 24;
    const PEERS: u32 = 40_000;
    let at = RunningClock::start(Unix(START)).moment();
    let (mut sum, mut squares) = (0.0, 0.0);
    for number in 0..KEYS {
        let key = Key::new([number; 16]);
        let mut set = Set::new();
        for address in 0..PEERS {
            set.add(key.v4(address), 0, at);
        }
        let error = f64::from(set.counts(at).all[0]) / f64::from(PEERS) - 1.0;
        sum += error;
        squares += error * error;
    }
    let sigma = (squares / f64::from(KEYS)).sqrt();
    assert!((0.005..0.02).contains(&sigma), "{sigma}");
    // No bias beyond three sigma of the mean.
    let mean = sum / f64::from(KEYS);
    assert!(mean.abs() < 3.0 * sigma / f64::from(KEYS).sqrt(), "{mean}");
}

#[test]
fn memory_grows_with_the_logarithm_of_peers() {
    let mut clock = RunningClock::start(Unix(START));
    let mut rng = SmallRng::seed_from_u64(11);
    let mut set = Set::new();
    for hour in 0..30 * 24 {
        let at = clock.tick(Unix(START + 3600 * hour));
        for _ in 0..300_000 / 720 {
            set.add(PeerHash(rng.random_range(..1 << 36)), 0, at);
        }
    }
    let at = clock.moment();
    let found = f64::from(set.counts(at).all[2]) / 300_000.0;
    assert!((0.95..1.05).contains(&found), "{found}");
    let expected = K as f64 * (1.0 + (300_000.0 / K as f64).ln()) * 8.0;
    assert!((set.heap() as f64) < 1.4 * expected, "{}", set.heap());
}

/// Hashes that ascend with time, so pruning drops nothing. Random hashes never do.
#[test]
fn sets_never_exceed_max_entries() {
    let all = MAX_ENTRIES as u32;
    let slots = |n: u32| std::array::from_fn(|source| if source == 0 { 1 + n / 200 } else { 1 });
    let entries = (0..all).map(|n| Entry::new(u64::from(n) << 20, slots(n)));
    let entries: Vec<_> = entries.collect();
    let hour = 1 + all / 200;
    let mut set = Set::from_parts(
        (START / 3600) as u32,
        hour + (START / 3600) as u32,
        entries.into_iter().collect(),
    );
    let mut clock = RunningClock::start(Unix(START));
    for hours in 1..=u64::from(hour) {
        clock.tick(Unix(START + 3600 * hours));
    }
    let at = clock.moment();
    let other = set.clone();
    for n in 0..60_000 {
        set.add(PeerHash(u64::from(all + n) << 20), 1, at);
        assert!(
            set.heap() <= (size_of::<Entry>() + 1) * MAX_ENTRIES,
            "{}",
            set.heap()
        );
    }
    set.unite(&other, at);
    assert!(
        set.heap() <= (size_of::<Entry>() + 1) * MAX_ENTRIES,
        "{}",
        set.heap()
    );
}
