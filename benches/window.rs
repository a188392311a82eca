//! The cost and error of distinct peers over windows: memory, sightings, gauges, errors. Run
//! `cargo bench --bench window`.

#![expect(
    clippy::expect_used,
    reason = "a benchmark reports errors by panicking"
)]

use std::hint::black_box;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use seedwatch_clock::Unix;
use seedwatch_dev_bench::usage::CostMeter;
use seedwatch_distinct::{Counts, Format, K, Key, Moment, PeerHash, RunningClock, Set, Window};

const HOUR: u64 = 3600;
const START: u64 = 1_700_000_000 / HOUR * HOUR;

fn main() {
    // The largest collection runs first, because resident memory never shrinks.
    collection(20, 20);
    collection(20, 10);
    collection(20, 0);
    sightings();
    large();
    errors();
}

/// Returns the resident memory in bytes.
fn resident() -> f64 {
    let status = std::fs::read_to_string("/proc/self/statm").expect("procfs of Linux");
    let pages = status
        .split(' ')
        .nth(1)
        .and_then(|pages| pages.parse().ok());
    pages.unwrap_or(0.0) * 4096.0
}

/// Returns the CPU time of the fastest run.
fn quickest(times: usize, mut run: impl FnMut()) -> Duration {
    let time = |_| {
        let start = CostMeter::now();
        run();
        start.cost().cpu
    };
    (0..times).map(time).min().expect("at least once")
}

const TORRENTS: u32 = 100_000;

/// The torrents of an installation, and the times that a month took.
struct Month {
    sets: Vec<Set>,
    clock: RunningClock,
    sighted: u64,
    sighting: Duration,
    /// How long reading all gauges took when each hour began, and after its announces.
    begins: Vec<Duration>,
    goes_on: Vec<Duration>,
}

/// Measures 100,000 torrents for a month, seen by both sources. Each has `daily` peers per day, of
/// which `fresh` are new; they arrive at different hours. As in the daemon, all gauges are read
/// when an hour begins, and the gauges of a torrent again after its announces.
fn collection(daily: u32, fresh: u32) {
    let before = resident();
    let mut month = pass_month(daily, fresh);
    let grown = resident() - before;
    print_memory(&month, daily, fresh, grown);
    print_gauges(&mut month);
    print_saved(&mut month.sets, daily + 29 * fresh);
}

fn pass_month(daily: u32, fresh: u32) -> Month {
    let key = Key::new([1; 16]);
    let mut month = Month {
        sets: vec![Set::new(); TORRENTS as usize],
        clock: RunningClock::start(Unix(START)),
        sighted: 0,
        sighting: Duration::ZERO,
        begins: Vec::new(),
        goes_on: Vec::new(),
    };
    for hour in 0..30 * 24_u32 {
        let at = month.clock.tick(Unix(START + u64::from(hour) * HOUR));
        month.begins.push(gauges(&mut month.sets, at));
        let start = CostMeter::now();
        for (torrent, set) in (0_u64..).zip(&mut month.sets) {
            for peer in 0..daily {
                if (torrent as u32).wrapping_mul(7).wrapping_add(peer * 5) % 24 != hour % 24 {
                    continue;
                }
                let peer = key.v6(torrent << 32 | u64::from(hour / 24 * fresh + peer));
                set.add(peer, 0, at);
                set.add(peer, 1, at);
                month.sighted += 2;
            }
        }
        month.sighting += start.cost().cpu;
        month.goes_on.push(gauges(&mut month.sets, at));
    }
    month
}

fn print_memory(month: &Month, daily: u32, fresh: u32, grown: f64) {
    let each = month.sighting.as_nanos() as f64 / month.sighted as f64;
    let peers = daily + 29 * fresh;
    let heap: usize = month.sets.iter().map(Set::heap).sum();
    // The allocator adds two words to each allocation.
    let memory = (heap + month.sets.len() * (size_of::<Set>() + 16)) as f64;
    println!(
        "100,000 torrents, {daily} peers per day, {fresh} of them new, {peers} per month: \
         {:.0} MB (budget 600 MB), {:.0} MB more resident, {:.1} B per peer in entries \
         (budget 12), {:.0} B per torrent in total; {each:.0} ns per sighting with its hash",
        memory / 1e6,
        grown / 1e6,
        heap as f64 / f64::from(peers) / f64::from(TORRENTS),
        memory / f64::from(TORRENTS),
    );
}

fn print_gauges(month: &mut Month) {
    let ms = |took: Duration| took.as_secs_f64() * 1e3;
    let last_day = |took: &[Duration]| took[took.len() - 24..].to_vec();
    let (begins, goes_on) = (last_day(&month.begins), last_day(&month.goes_on));
    println!(
        "  all gauges when an hour begins: median of the last day {:.1} ms, worst hour {:.1} ms \
         (budget 20 ms)",
        ms(median(&begins)),
        ms(begins.iter().copied().max().unwrap_or_default()),
    );
    // The daemon spreads announces over time; this benchmark makes all of them at once.
    println!(
        "  gauges after announces: {:.1} ms per hour, worst hour {:.1} ms",
        ms(goes_on.iter().sum::<Duration>() / 24),
        ms(goes_on.iter().copied().max().unwrap_or_default()),
    );
    let at = month.clock.moment();
    println!(
        "  second read in the same hour: {:.1} ms",
        ms(gauges(&mut month.sets, at))
    );
}

/// Saves and loads the sets, which hold so many peers each.
fn print_saved(sets: &mut [Set], peers: u32) {
    let mut bytes = Vec::new();
    let start = CostMeter::now();
    for set in &*sets {
        set.encode(&mut bytes);
    }
    let took = start.cost().cpu;
    println!(
        "  saved: {:.0} MB, {:.1} B per peer, {:.0} ms",
        bytes.len() as f64 / 1e6,
        bytes.len() as f64 / f64::from(peers) / f64::from(TORRENTS),
        took.as_secs_f64() * 1e3,
    );
    let start = CostMeter::now();
    let mut from = &bytes[..];
    for set in sets {
        *set = Set::decode(&mut from, Format::V3).expect("a decodable set");
    }
    println!("  loaded in {:.0} ms", start.cost().cpu.as_secs_f64() * 1e3);
}

/// Returns the CPU time of reading all windows and sources.
fn gauges(sets: &mut [Set], at: Moment) -> Duration {
    let start = CostMeter::now();
    for set in sets {
        black_box(set.counts(at));
    }
    start.cost().cpu
}

fn median(took: &[Duration]) -> Duration {
    let mut sorted = took.to_vec();
    sorted.sort();
    sorted[sorted.len() / 2]
}

/// Measures sightings of known peers, and the hash of an address.
fn sightings() {
    let key = Key::new([1; 16]);
    for size in [20, 200, 1_000, 4_000, 100_000, 1_000_000] {
        let mut clock = RunningClock::start(Unix(START));
        let mut peers: Vec<PeerHash> = (0..size).map(|n| key.v4(n)).collect();
        let mut rng = SmallRng::seed_from_u64(1);
        for n in (1..peers.len()).rev() {
            peers.swap(n, rng.next_u64() as usize % (n + 1));
        }
        let mut set = Set::new();
        let mut hour = |set: &mut Set, peers: &[PeerHash], hours| {
            let at = clock.tick(Unix(START + hours * HOUR));
            for peer in peers {
                set.add(*peer, 0, at);
            }
        };
        hour(&mut set, &peers, 0);
        let rounds = 1 + 100_000 / u64::from(size);
        let again = quickest(7, || (0..rounds).for_each(|_| hour(&mut set, &peers, 0)));
        let mut hours = 0;
        let later = quickest(7, || {
            for _ in 0..rounds {
                hours += 1;
                hour(&mut set, &peers, hours);
            }
        });
        let each = |took: Duration| took.as_nanos() as f64 / (rounds * u64::from(size)) as f64;
        println!(
            "sighting of a known peer of {size}: {:.1} ns in the same hour, {:.1} ns in the next \
             (budget about 10)",
            each(again),
            each(later),
        );
    }
    let took = quickest(7, || {
        for n in 0..100_000 {
            black_box(key.v4(black_box(n)));
        }
    });
    println!("hash of an address: {:.1} ns", took.as_nanos() as f64 / 1e5);
}

/// Measures sets above the switch-over after a month of new peers only, the worst case for memory.
fn large() {
    for size in [4_000_u64, 10_000, 30_000, 100_000, 1_000_000, 10_000_000] {
        let mut rng = SmallRng::seed_from_u64(size);
        let mut clock = RunningClock::start(Unix(START));
        let mut set = Set::new();
        let start = CostMeter::now();
        for n in 0..size {
            let at = clock.tick(Unix(START + n * 720 / size * HOUR));
            set.add(peer(&mut rng), 0, at);
        }
        let each = start.cost().cpu.as_nanos() as f64 / size as f64;
        let (heap, mut bytes) = (set.heap(), Vec::new());
        set.encode(&mut bytes);
        let mut hour = 720;
        let took = quickest(3, || {
            for _ in 0..20 {
                hour += 1;
                black_box(set.counts(clock.tick(Unix(START + hour * HOUR))));
            }
        }) / 20;
        let mut union = Set::new();
        let at = clock.moment();
        let union_time = quickest(3, || (0..100).for_each(|_| union.unite(&set, at))) / 100;
        println!(
            "{size} peers per month, each seen once: {:.1} kB in memory, {:.1} kB saved; \
             {each:.0} ns per sighting, {:.1} µs for all gauges, {:.1} µs for a union with an \
             equal set",
            heap as f64 / 1e3,
            bytes.len() as f64 / 1e3,
            took.as_nanos() as f64 / 1e3,
            union_time.as_nanos() as f64 / 1e3,
        );
    }
}

/// Returns the hash of a random address.
fn peer(rng: &mut SmallRng) -> PeerHash {
    Key::new([9; 16]).v6(rng.next_u64())
}

/// Measures the errors of a swarm whose size and churn change over forty days, with 16 keys, at
/// every hour.
fn errors() {
    const KEYS: usize = 16;
    for (rate, stay) in [(12, 1), (60, 8), (400, 8), (200, 60)] {
        let mut rng = SmallRng::seed_from_u64(rate);
        let keys = [(); KEYS].map(|()| Key::new(std::array::from_fn(|_| rng.next_u64() as u8)));
        let mut clock = RunningClock::start(Unix(START));
        let mut sets = vec![Set::new(); KEYS];
        let mut last = std::collections::HashMap::new();
        let mut by_hour = vec![0_i64; 960];
        let mut online: Vec<(u64, u64)> = Vec::new();
        let mut errors = Errors::default();
        for hour in 0..960_u64 {
            let at = clock.tick(Unix(START + hour * HOUR));
            online.retain(|(_, leaves)| *leaves > hour);
            // The rate rises tenfold for a day after two weeks, and falls to a tenth after four.
            let rate = match hour {
                336..360 => 10 * rate,
                672.. => rate / 10,
                _ => rate,
            };
            for _ in 0..rate {
                online.push((rng.next_u64(), hour + 1 + rng.next_u64() % (2 * stay)));
            }
            for (peer, _) in &online {
                if let Some(before) = last.insert(*peer, hour) {
                    by_hour[before as usize] -= 1;
                }
                by_hour[hour as usize] += 1;
                for (key, set) in keys.iter().zip(&mut sets) {
                    set.add(key.v6(*peer), 0, at);
                }
            }
            let found: Vec<Counts> = sets.iter_mut().map(|set| set.counts(at)).collect();
            for window in Window::ALL {
                let start = (hour + 1).saturating_sub(window.hours().into()) as usize;
                let truth = by_hour[start..=hour as usize].iter().sum::<i64>() as f64;
                errors.add(window, &found, truth);
            }
        }
        println!(
            "{rate} new peers per hour that stay {stay} h, 16 keys, 960 hours: {} errors below {K}",
            errors.wrong
        );
        errors.print();
    }
}

/// The relative errors of counts.
#[derive(Default)]
struct Errors {
    /// Counts of fewer than `K` peers that were not exact.
    wrong: usize,
    /// By window: the worst hour, the sum of the squares, and the number of hours.
    worst: [f64; 3],
    squares: [f64; 3],
    hours: [u32; 3],
}

impl Errors {
    /// Adds the counts of one hour under different keys.
    fn add(&mut self, window: Window, found: &[Counts], truth: f64) {
        let at = window.index();
        let error = |counts: &Counts| f64::from(counts.all[at]) / truth - 1.0;
        if (truth as usize) < K {
            self.wrong += found.iter().filter(|counts| error(counts) != 0.0).count();
            return;
        }
        let square = found.iter().map(|c| error(c).powi(2)).sum::<f64>() / found.len() as f64;
        self.worst[at] = self.worst[at].max(square.sqrt());
        self.squares[at] += square;
        self.hours[at] += 1;
    }

    fn print(&self) {
        for window in Window::ALL {
            let at = window.index();
            if self.hours[at] > 0 {
                println!(
                    "  {}: one sigma {:.2} % over {} hours above (budget 2 %), worst hour {:.2} %",
                    window.as_label(),
                    100.0 * (self.squares[at] / f64::from(self.hours[at])).sqrt(),
                    self.hours[at],
                    100.0 * self.worst[at],
                );
            }
        }
    }
}
