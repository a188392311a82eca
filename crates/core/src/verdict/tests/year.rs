//! A simulated year of 1,000 torrents: day and night, own outages, flapping trackers, restarts.

use std::ops::Range;

use super::super::{Evidence, State, VerdictMemory};
use super::{HOUR, MINUTE, at};
use rand::rngs::SmallRng;
use rand::{Rng, RngExt, SeedableRng};
use seedwatch_clock::Mono;

const TORRENTS: usize = 1_000;
const TRACKERS: usize = 20;
const ROUND: u64 = 30 * MINUTE;
const YEAR: u64 = 365 * 24 * HOUR;
const STALE_AFTER: u64 = 75 * MINUTE;
/// For how long a tracker keeps a peer that left.
const KEPT: u64 = HOUR;
/// How long clients take to announce to a tracker that came back.
const REANNOUNCE: u64 = 30 * MINUTE;

/// Periods that do not overlap, in order.
#[derive(Default)]
struct Periods(Vec<Range<u64>>);

impl Periods {
    /// Returns `count` periods over the year, with lengths from a range.
    fn random(rng: &mut impl Rng, count: usize, lengths: Range<u64>) -> Self {
        let slot = YEAR / count as u64;
        let periods = (0..count as u64).map(|n| {
            let length = rng.random_range(lengths.clone()).min(slot - 1);
            let start = n * slot + rng.random_range(0..slot - length);
            start..start + length
        });
        Self(periods.collect())
    }

    /// Returns the latest period that began at or before `now`.
    fn latest(&self, now: u64) -> Option<&Range<u64>> {
        let after = self.0.partition_point(|period| period.start <= now);
        self.0.get(after.checked_sub(1)?)
    }

    fn has(&self, now: u64) -> bool {
        self.latest(now).is_some_and(|period| now < period.end)
    }
}

/// A tracker that fails now and then, and knows no peer when it comes back.
struct Tracker {
    failures: Periods,
}

impl Tracker {
    /// Returns whether its list names the peers of a swarm that was last alive at `alive_until`.
    fn names(&self, now: u64, alive_until: u64) -> bool {
        let back = self.failures.latest(now).map_or(0, |period| period.end);
        let knows_since = back + REANNOUNCE;
        knows_since <= now && alive_until + KEPT > now && alive_until >= knows_since.min(now)
    }
}

/// One torrent, and what its sources last said.
struct Torrent {
    memory: VerdictMemory,
    trackers: Vec<usize>,
    has_dht: bool,
    dies_at: u64,
    /// By source, the trackers first: when it last answered, and whether it named a peer.
    answers: Vec<Option<(u64, bool)>>,
    declared: Option<u64>,
}

impl Torrent {
    fn random(rng: &mut impl Rng) -> Self {
        let kind = rng.random_range(0..4);
        let count = if kind == 0 { 0 } else { rng.random_range(1..5) };
        let trackers: Vec<_> = (0..count).map(|_| rng.random_range(0..TRACKERS)).collect();
        let has_dht = kind != 1;
        Self {
            memory: VerdictMemory::default(),
            answers: vec![None; trackers.len() + usize::from(has_dht)],
            trackers,
            has_dht,
            // Every other torrent dies, some on the first day.
            dies_at: match rng.random_bool(0.5) {
                true => rng.random_range(0..YEAR - 48 * HOUR),
                false => u64::MAX,
            },
            declared: None,
        }
    }

    /// Returns when the swarm last had a peer. At night there is sometimes none for an hour, as
    /// the only seeder sleeps; the trackers still keep it.
    fn alive_until(&self, now: u64) -> u64 {
        let hour = now / HOUR % 24;
        match hour == 3 {
            true => (now / HOUR * HOUR).min(self.dies_at),
            false => now.min(self.dies_at),
        }
    }

    /// Asks all sources.
    fn probe(&mut self, rng: &mut impl Rng, trackers: &[Tracker], now: u64) {
        let alive_until = self.alive_until(now);
        for (source, id) in self.trackers.iter().enumerate() {
            let tracker = &trackers[*id];
            // One packet in a hundred is lost for good.
            if !tracker.failures.has(now) && !rng.random_ratio(1, 100) {
                self.answers[source] = Some((now, tracker.names(now, alive_until)));
            }
        }
        // A lookup fails now and then. Nodes keep a peer for half an hour.
        if self.has_dht && !rng.random_ratio(1, 20) {
            let names = alive_until + KEPT / 2 > now;
            let dht = self.answers.last_mut().expect("the DHT");
            *dht = Some((now, names));
        }
    }

    fn judge(&mut self, now: u64, start: u64, is_out: bool, up_since: u64) {
        let mut evidence = Evidence {
            oldest_empty: Mono(u64::MAX),
            ..Evidence::default()
        };
        for (source, answer) in self.answers.iter().enumerate() {
            let fresh = answer.filter(|(answered, _)| now - answered < STALE_AFTER);
            let set = match (answer, fresh) {
                (_, Some((_, true))) => &mut evidence.naming,
                (_, Some((answered, false))) => {
                    let answered = Mono(answered - start);
                    evidence.oldest_empty = evidence.oldest_empty.min(answered);
                    &mut evidence.empty
                }
                _ => &mut evidence.silent,
            };
            match source < self.trackers.len() {
                true => set.add_tracker(self.trackers[source] as u64),
                false => set.add_dht(),
            }
        }
        let mut at = at(now);
        at.now.mono = Mono(now - start);
        at.network.is_out = is_out;
        at.network.up_since = Mono(up_since.saturating_sub(start));
        self.memory.judge(&evidence, &at);
    }
}

#[test]
fn in_a_year_of_1000_torrents_no_living_one_is_declared_dead_and_no_dead_one_is_missed() {
    let rng = &mut SmallRng::seed_from_u64(14);
    let outages = Periods::random(rng, 100, 5 * MINUTE..240 * MINUTE);
    let restarts = Periods::random(rng, 50, MINUTE..30 * MINUTE);
    let trackers: Vec<_> = (0..TRACKERS)
        .map(|_| Tracker {
            failures: Periods::random(rng, 150, 10 * MINUTE..12 * HOUR),
        })
        .collect();
    let mut torrents: Vec<_> = (0..TORRENTS).map(|_| Torrent::random(rng)).collect();
    let (mut start, mut false_alarms, mut slowest) = (0, 0, 0);
    for round in 1..YEAR / ROUND {
        let now = round * ROUND;
        let restarted = restarts
            .latest(now)
            .filter(|period| period.end > now - ROUND);
        if restarts.has(now) {
            continue;
        }
        if let Some(restart) = restarted {
            for torrent in &mut torrents {
                let saved = torrent.memory.save();
                torrent.memory = VerdictMemory::restore(saved, Mono(0)).expect("valid");
                torrent.answers.fill(None);
            }
            start = restart.end;
        }
        let is_out = outages.has(now);
        let up_since = outages.latest(now).map_or(0, |outage| outage.end);
        for torrent in &mut torrents {
            if !is_out {
                torrent.probe(rng, &trackers, now);
            }
            torrent.judge(now, start, is_out, up_since);
            let is_dead = torrent.memory.verdict().state == State::Dead;
            false_alarms += usize::from(is_dead && now < torrent.dies_at);
            if is_dead && torrent.declared.is_none() {
                torrent.declared = Some(now);
                slowest = slowest.max(now.saturating_sub(torrent.dies_at));
            }
        }
    }
    let dead = torrents.iter().filter(|torrent| torrent.dies_at < YEAR);
    let missed = dead.clone().filter(|torrent| torrent.declared.is_none());
    println!(
        "{} died; {false_alarms} false alarms, {} missed, slowest {} minutes",
        dead.clone().count(),
        missed.clone().count(),
        slowest / MINUTE
    );
    assert_eq!(false_alarms, 0);
    // A torrent whose trackers all fail for good cannot be judged; these come back.
    assert_eq!(missed.count(), 0);
    assert!(slowest <= 24 * HOUR, "{} minutes", slowest / MINUTE);
}
