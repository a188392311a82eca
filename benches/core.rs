//! The cost of the engine without sockets. Measures the CPU time to schedule and process one
//! announce with 100 peers, and the memory per torrent with and without the DHT.
//!
//! Run `cargo bench --bench core`, or one part with `-- memory`, `-- month` or `-- cpu`. The part
//! `month` measures a collection after thirty days of windows and countries.

#![expect(
    clippy::expect_used,
    reason = "a benchmark reports errors by panicking"
)]

mod common;

use std::sync::Arc;
use std::time::{Duration, Instant};

use seedwatch::app::engine_settings;
use seedwatch::config::{Accept, Config};
use seedwatch_clock::{Mono, Now, Unix};
use seedwatch_core::Engine;
use seedwatch_core::snapshot::Snapshot;
use seedwatch_dht::{DhtReport, FoundPeers, LookupReport, LookupStats, SwarmEstimate};
use seedwatch_distinct::{Key, RunningClock, Set};
use seedwatch_torrent::{Family, Peers};
use seedwatch_torrent::{Hashes, InfoHash, Privacy, Torrent, TrackerList, TrackerUrl};
use seedwatch_tracker::{AnnounceResponse, Counts, Job, Observation, ProbeStats, Report, Request};

const PEERS: u32 = 100;

fn main() {
    let wanted = |part: &str| {
        let mut parts = std::env::args().skip(1).filter(|a| !a.starts_with('-'));
        parts.next().is_none_or(|wanted| wanted == part)
    };
    if wanted("memory") {
        memory(100_000, false);
        in_child("dht");
    } else if wanted("dht") {
        memory(100_000, true);
    }
    if wanted("month") {
        in_child("churn-half");
        in_child("churn-all");
    } else if wanted("churn-half") {
        month(100_000, 20, 10);
    } else if wanted("churn-all") {
        month(100_000, 20, 20);
    }
    if wanted("cpu") {
        cpu(10_000, 20);
    }
    if wanted("snapshot") {
        take_snapshots(10_000, 0);
        take_snapshots(10_000, PEERS);
    }
}

/// Runs a part in a separate process. Otherwise memory that this process freed would hide the
/// memory that the next part takes.
fn in_child(part: &str) {
    let me = std::env::current_exe().expect("the path of this binary");
    let child = std::process::Command::new(me).arg(part).status();
    assert!(child.is_ok_and(|status| status.success()));
}

fn config(torrents: u32, max_rate: f64) -> Config {
    let url = TrackerUrl::parse("udp://192.0.2.1:6969/announce").expect("a valid URL");
    let trackers = TrackerList::from([Arc::new(url)]);
    let torrents = (0..torrents).map(|n| {
        let mut hash = [0; 20];
        hash[..4].copy_from_slice(&n.wrapping_mul(2_654_435_761).to_be_bytes());
        hash[4..8].copy_from_slice(&n.to_be_bytes());
        Torrent {
            name: format!("torrent-{n:08}").into(),
            hashes: Hashes::V1(InfoHash(hash)),
            trackers: trackers.clone(),
            details: None,
            privacy: Privacy::Public,
            size: None,
        }
    });
    common::config(torrents.collect(), max_rate, Accept::Global)
}

fn start_engine(config: &Config) -> Engine {
    let settings = engine_settings(config);
    Engine::new(&settings, [4242; 2], Key::new([7; 16]), now(0))
}

fn now(millis: u64) -> Now {
    Now {
        mono: Mono(millis),
        unix: Unix(1_700_000_000 + millis / 1000),
    }
}

/// Returns `peers` peers. Their addresses depend on `serial`.
fn swarm(serial: u32, peers: u32) -> Peers {
    let mut compact = Vec::with_capacity(peers as usize * 6);
    for peer in 0..peers {
        let ip = 0x0b00_0000 + (serial * 31 + peer).wrapping_mul(2_654_435_761) % 0x1000_0000;
        compact.extend_from_slice(&ip.to_be_bytes());
        compact.extend_from_slice(&6881u16.to_be_bytes());
    }
    let mut peers = Peers::default();
    peers.push_compact4(&compact);
    peers
}

/// Processes one lookup per info-hash and family, with `peers` peers over IPv4 and none over IPv6.
fn complete_lookups(engine: &mut Engine, at: u64, peers: u32) {
    let hashes = Arc::clone(engine.dht_hashes());
    for (serial, info_hash) in (1..).zip(hashes.iter()) {
        for family in Family::ALL {
            let peers = if family == Family::Ipv4 { peers } else { 0 };
            let estimate = SwarmEstimate {
                seeders: 1,
                leechers: peers,
                saturated: false,
            };
            let found = FoundPeers {
                peers: swarm(serial * 7, peers),
                estimate: (peers > 0).then_some(estimate),
            };
            let lookup = LookupReport {
                info_hash: *info_hash,
                family,
                result: Ok(found),
                diagnosis: LookupStats::default(),
            };
            engine.absorb_dht(DhtReport::Lookups(vec![lookup]), now(at));
        }
    }
}

/// Returns the answer to a job. Its peers depend on `serial`.
fn answer(job: Job, serial: u32, peers: u32) -> Observation {
    let report = match job.request {
        Request::Announce { id, .. } if job.family == Family::Ipv4 => {
            let peers = swarm(serial, peers);
            let counts = Counts {
                seeders: Some(1),
                leechers: Some(99),
                completed: None,
            };
            Report::Announce {
                id,
                result: Ok(Box::new(AnnounceResponse {
                    peers,
                    counts,
                    ..AnnounceResponse::default()
                })),
            }
        }
        Request::Announce { id, .. } => Report::NoAddress { ids: vec![id] },
        Request::Scrape { targets } => {
            let ids: Vec<_> = targets.into_iter().map(|(id, _)| id).collect();
            Report::Scrape {
                result: Ok(vec![Some(Counts::default()); ids.len()]),
                ids,
            }
        }
    };
    let stats = ProbeStats {
        requests: 1,
        duration: Duration::from_millis(30),
        ..ProbeStats::default()
    };
    Observation {
        tracker: job.tracker,
        family: job.family,
        report,
        stats,
    }
}

/// Returns the resident memory in bytes.
fn resident() -> f64 {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm
        .split_whitespace()
        .nth(1)
        .and_then(|pages| pages.parse().ok());
    pages.unwrap_or(0.0) * 4096.0
}

/// Processes one round over all torrents. Returns the number of announces.
fn round(engine: &mut Engine, at: &mut u64, peers: u32) -> u32 {
    let mut jobs = Vec::new();
    let mut announces = 0;
    loop {
        engine.poll(Mono(*at), &mut jobs);
        if jobs.is_empty() {
            return announces;
        }
        for job in jobs.drain(..) {
            announces += u32::from(is_announce(&job));
            engine.absorb(answer(job, announces, peers), now(*at));
        }
        *at += 1;
    }
}

/// Processes one round as the daemon does: spread over time, with a new snapshot per second.
fn slow_round(engine: &mut Engine, at: &mut u64, peers: u32, torrents: u32) -> Snapshot {
    let mut snapshot = engine.snapshot(now(*at));
    let (mut jobs, mut announces) = (Vec::new(), 0);
    while announces < torrents {
        engine.poll(Mono(*at), &mut jobs);
        for job in jobs.drain(..) {
            announces += u32::from(is_announce(&job));
            engine.absorb(answer(job, announces, peers), now(*at));
        }
        *at += 10;
        if (*at).is_multiple_of(1000) {
            snapshot = engine.snapshot(now(*at));
        }
    }
    drop(snapshot);
    engine.snapshot(now(*at))
}

fn is_announce(job: &Job) -> bool {
    matches!(job.request, Request::Announce { .. }) && job.family == Family::Ipv4
}

fn memory(torrents: u32, dht: bool) {
    // The country table and the program take the same memory for any number of torrents.
    let mut small = start_engine(&config(1, 1e9));
    drop(slow_round(&mut small, &mut 0, PEERS, 1));
    drop(small);
    let before = resident();
    let mut config = config(torrents, 10_000.0);
    config.dht.enabled = dht;
    let mut engine = start_engine(&config);
    drop(config);
    let per_torrent = || (resident() - before) / f64::from(torrents);
    let snapshot = engine.snapshot(now(0));
    let source = if dht { " and in the DHT" } else { "" };
    println!("memory, {torrents} torrents at one tracker{source}, state and snapshot:");
    println!(
        "  before the first answer  {:7.0} B per torrent",
        per_torrent()
    );
    drop(snapshot);
    let mut at = 0;
    drop(slow_round(&mut engine, &mut at, 0, torrents));
    complete_lookups(&mut engine, at, 0);
    let snapshot = engine.snapshot(now(at));
    println!(
        "  idle (answered, empty)   {:7.0} B per torrent",
        per_torrent()
    );
    drop(snapshot);
    at = (at / 1000 + 2_100) * 1000;
    drop(slow_round(&mut engine, &mut at, PEERS, torrents));
    complete_lookups(&mut engine, at, PEERS);
    let snapshot = engine.snapshot(now(at));
    println!(
        "  with {PEERS} current peers   {:7.0} B per torrent",
        per_torrent()
    );
    assert_eq!(snapshot.torrents.len(), torrents as usize);
    let known = resident();
    let sets: Vec<Box<Set>> = (0..torrents).map(peer_history).collect();
    let bytes = (resident() - known) / f64::from(sets.len() as u32);
    println!("  of which peer history    {bytes:7.0} B, without countries");
}

/// Returns the peer history of a swarm.
fn peer_history(serial: u32) -> Box<Set> {
    let key = Key::new([7; 16]);
    let at = RunningClock::start(now(0).unix).moment();
    let mut set = Box::<Set>::default();
    for peer in swarm(serial, PEERS).v4 {
        set.add(key.v4(peer.ip), 0, at);
    }
    set
}

/// Measures a collection after thirty days with `peers` peers per torrent at a time. Each day,
/// `fresh` of them are replaced. The replacements are spread over the day, because sets that grow
/// at the same time would leave no holes in the heap.
fn month(torrents: u32, peers: u32, fresh: u32) {
    const HOUR: u64 = 3_600_000;
    let before = resident();
    let mut config = config(torrents, 1e9);
    config.probe.interval = Duration::from_secs(3 * 3600);
    config.probe.stale_after = config.probe.interval * 5 / 2;
    let mut engine = start_engine(&config);
    drop(config);
    let (mut at, mut jobs) = (1, Vec::new());
    // The first round sees the peers of the first day.
    while at < 29 * 24 * HOUR {
        engine.poll(Mono(at), &mut jobs);
        for job in jobs.drain(..) {
            let peers = match &job.request {
                Request::Announce { info_hash, .. } => {
                    let own_hour = (at / HOUR) as u32 + u32::from(info_hash.0[0]) % 24;
                    peers_from(info_hash, own_hour * fresh / 24, peers)
                }
                Request::Scrape { .. } => Peers::default(),
            };
            let mut observation = answer(job, 0, 0);
            if let Report::Announce { result: Ok(to), .. } = &mut observation.report {
                to.peers = peers;
            }
            engine.absorb(observation, now(at));
        }
        at += HOUR / 4;
        if at % HOUR < HOUR / 4 {
            drop(engine.snapshot(now(at)));
        }
    }
    drop(jobs);
    let snapshot = engine.snapshot(now(at));
    let bytes = resident() - before;
    println!(
        "memory, {torrents} torrents after 30 days with {peers} peers at a time, {fresh} new ones \
         per day: {:.0} MB, {:.0} B per torrent",
        bytes / 1e6,
        bytes / f64::from(torrents),
    );
    drop(snapshot);
    // Takes one snapshot per second in the next hour, and compares snapshots in which windows slide
    // with the others.
    at = (at / HOUR + 1) * HOUR;
    let (mut total, mut longest) = (Duration::ZERO, Duration::ZERO);
    let mut quiet = Duration::MAX;
    for second in 0..700 {
        let start = Instant::now();
        drop(engine.snapshot(now(at + second * 1000)));
        let took = start.elapsed();
        total += took;
        longest = longest.max(took);
        quiet = quiet.min(took);
    }
    println!(
        "  windows of a new hour: {:.0} ms in 700 snapshots, the longest {:.1} ms; without a slide \
         {:.1} ms",
        (total.saturating_sub(quiet * 700)).as_secs_f64() * 1e3,
        longest.as_secs_f64() * 1e3,
        quiet.as_secs_f64() * 1e3,
    );
}

/// Returns `count` peers of one torrent whose serial numbers begin at `from`. Their addresses lie
/// in two large parts of the address space.
fn peers_from(hash: &InfoHash, from: u32, count: u32) -> Peers {
    let mut peers = Peers::default();
    let mut compact = Vec::with_capacity(count as usize * 6);
    let [a, b, c, d, e, f, g, h, ..] = hash.0;
    let torrent = u64::from_be_bytes([a, b, c, d, e, f, g, h]);
    for serial in from..from + count {
        let mixed = (torrent ^ u64::from(serial) << 40).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ mixed >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 32;
        let base = if mixed & 1 == 0 {
            0x0b00_0000
        } else {
            0x4d00_0000
        };
        let ip = base + (mixed as u32 >> 1) % 0x1000_0000;
        compact.extend_from_slice(&ip.to_be_bytes());
        compact.extend_from_slice(&6881u16.to_be_bytes());
    }
    peers.push_compact4(&compact);
    peers
}

fn cpu(torrents: u32, rounds: u32) {
    let mut engine = Engine::new(
        &engine_settings(&config(torrents, 1e9)),
        [4242; 2],
        Key::new([7; 16]),
        now(0),
    );
    let mut at = 1;
    round(&mut engine, &mut at, PEERS);
    let (mut announces, mut generation) = (0, Duration::ZERO);
    let start = Instant::now();
    for _ in 0..rounds {
        at += 2_100_000;
        announces += round(&mut engine, &mut at, PEERS);
    }
    let total = start.elapsed();
    // Measures the time that this benchmark takes to generate answers.
    let mut jobs = Vec::new();
    at += 2_100_000;
    engine.poll(Mono(at), &mut jobs);
    let copies = jobs.len() as u32;
    let start = Instant::now();
    for (serial, job) in jobs.into_iter().enumerate() {
        std::hint::black_box(answer(job, serial as u32, PEERS));
    }
    if copies > 0 {
        generation = start.elapsed() / copies;
    }
    let each = total / announces.max(1);
    println!("cpu, one announce with {PEERS} peers:");
    println!(
        "  {:?} ({each:?} less {generation:?} to generate the answer)",
        each.saturating_sub(generation)
    );
}

/// Measures taking a snapshot after a round in which every torrent was answered with `peers` peers.
fn take_snapshots(torrents: u32, peers: u32) {
    let mut engine = start_engine(&config(torrents, 1e9));
    let (mut at, mut best) = (1, Duration::MAX);
    for _ in 0..20 {
        round(&mut engine, &mut at, peers);
        let start = Instant::now();
        std::hint::black_box(engine.snapshot(now(at)));
        best = best.min(start.elapsed());
        at += 2_100_000;
    }
    let each = best / torrents;
    println!("snapshot of {torrents} changed torrents with {peers} peers: {each:?} per torrent");
}
