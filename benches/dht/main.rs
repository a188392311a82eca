//! Results and cost of DHT lookups in an emulated DHT.
//!
//! Measures recall, packets and duration in virtual time. Also measures the CPU time and memory of
//! the prober over real sockets; the emulated DHT then runs in another process and network
//! namespace. Run `cargo bench --bench dht [-- name]`.

#![expect(
    clippy::expect_used,
    reason = "a benchmark reports errors by panicking"
)]

mod wire;

use std::time::Duration;

use seedwatch_dev_dht_sim::{Sim, hashes};
use seedwatch_dev_dht_world::{Delay, WorldSettings};
use seedwatch_dht::Settings;
use seedwatch_torrent::address::Accept;

const HOUR: Duration = Duration::from_secs(3600);

fn main() {
    let name = std::env::args().skip(1).find(|arg| !arg.starts_with('-'));
    if name.as_deref() == Some(wire::WORLD) {
        return wire::serve(ten_million(10.0));
    }
    if seedwatch_dev_bench::loss::is_inside() {
        return wire::run();
    }
    let all: [(&str, fn()); 7] = [
        ("crowd", crowd),
        ("big", big),
        ("alone", alone),
        ("first-round", first_round),
        ("sweep", sweep),
        ("law", law),
        ("wire", wire::outside),
    ];
    for (scenario, run) in all {
        if name.as_ref().is_none_or(|name| name == scenario) {
            run();
        }
    }
}

fn settings() -> Settings {
    Settings {
        max_rate: 1e6,
        interval: HOUR,
        recall_target: None,
        require_distinct_subnets: true,
        accept: Accept::Any,
    }
}

/// The network of the comparison: 10,013 living nodes of about 13,000, packet loss, long-tailed
/// delays.
fn hostile(nodes: u32) -> WorldSettings {
    WorldSettings {
        nodes,
        dead: 0.25,
        loss: 0.02,
        delay: Delay::LogNormal {
            median_ms: 60.0,
            sigma: 0.5,
        },
        ..WorldSettings::default()
    }
}

/// The result of a number of lookups.
struct Figures {
    recall: f64,
    worst: f64,
    packets: f64,
    median: Duration,
    p95: Duration,
    cpu: Duration,
    estimate: f64,
    bogus: usize,
    failed: usize,
}

fn measure(sim: &mut Sim, lookups: usize, packets: u64, cpu: Duration) -> Figures {
    let ended = &sim.ended[sim.ended.len() - lookups..];
    let recalls: Vec<(f64, usize)> = ended.iter().map(|lookup| sim.recall(lookup)).collect();
    let mut times: Vec<Duration> = ended.iter().map(|l| l.diagnosis.duration).collect();
    times.sort_unstable();
    let estimates: Vec<f64> = ended
        .iter()
        .filter_map(|lookup| {
            let estimate = lookup.result.as_ref().ok()?.estimate?;
            let truth = sim.world.peers_of(&lookup.info_hash.0).len();
            Some(f64::from(estimate.seeders + estimate.leechers) / truth as f64)
        })
        .collect();
    let n = lookups as f64;
    Figures {
        recall: recalls.iter().map(|(recall, _)| recall).sum::<f64>() / n,
        worst: recalls.iter().map(|(r, _)| *r).fold(1.0, f64::min),
        packets: (sim.packets() - packets) as f64 / n,
        median: times[lookups / 2],
        p95: times[lookups * 95 / 100],
        cpu: (sim.cpu - cpu) / lookups as u32,
        estimate: estimates.iter().sum::<f64>() / estimates.len() as f64,
        bogus: recalls.iter().map(|(_, bogus)| bogus).sum(),
        failed: ended.iter().filter(|lookup| lookup.result.is_err()).count(),
    }
}

fn show(what: &str, f: &Figures) {
    println!(
        "{what:44} recall {:.4} worst {:.3}  packets {:6.2}  time {:4} / {:4} ms  \
         engine {:5.1} µs  estimate {:.3}  bogus {} failed {}",
        f.recall,
        f.worst,
        f.packets,
        f.median.as_millis(),
        f.p95.as_millis(),
        f.cpu.as_secs_f64() * 1e6,
        f.estimate,
        f.bogus,
        f.failed,
    );
}

/// Looks up `n` hashes, `at_once` at a time, without a schedule.
fn at_once(sim: &mut Sim, n: usize, at_once: usize, seed: u64) -> Figures {
    let (packets, cpu) = (sim.packets(), sim.cpu);
    let all = hashes(n, seed);
    let mut waiting = all.into_iter();
    for hash in waiting.by_ref().take(at_once) {
        sim.look_up(hash);
    }
    let before = sim.ended.len();
    while sim.ended.len() < before + n {
        let ended = sim.ended.len();
        assert!(sim.run(1, HOUR), "a lookup did not end within an hour");
        for hash in waiting.by_ref().take(sim.ended.len() - ended) {
            sim.look_up(hash);
        }
    }
    measure(sim, n, packets, cpu)
}

/// Runs the node for a minute, so that its routing table fills.
fn warm_up(sim: &mut Sim) {
    sim.run(usize::MAX / 2, Duration::from_secs(60));
}

fn crowd() {
    let mut sim = Sim::new(settings(), hostile(10_013));
    sim.world.auto_peers(300);
    warm_up(&mut sim);
    let figures = at_once(&mut sim, 256, 64, 1);
    show("13,000 nodes, 25 % dead, 300 peers, 64 at once", &figures);
    println!("{:?}", sim.world.stats());
}

fn big() {
    let mut sim = Sim::new(settings(), hostile(2_007));
    sim.world.auto_peers(3_000);
    warm_up(&mut sim);
    let figures = at_once(&mut sim, 64, 64, 2);
    show("2,676 nodes, 25 % dead, 3,000 peers", &figures);
    println!("{:?}", sim.world.stats());
}

/// Returns ten million nodes with this mean round-trip time.
fn ten_million(mean_ms: f64) -> WorldSettings {
    WorldSettings {
        nodes: 10_000_000,
        visible: 0.85,
        delay: Delay::Uniform {
            min_ms: mean_ms * 0.5,
            max_ms: mean_ms * 1.5,
        },
        ..WorldSettings::default()
    }
}

fn alone() {
    let mut sim = Sim::new(settings(), ten_million(100.0));
    sim.world.auto_peers(30);
    warm_up(&mut sim);
    let figures = at_once(&mut sim, 200, 1, 3);
    show("10M nodes, 30 peers, alone", &figures);
}

/// Measures the first round of small collections with no node known: users wait for its result.
fn first_round() {
    for (n, peers, rate) in [(64, 3_000, 1_000.0), (64, 3_000, 50.0), (300, 30, 1_000.0)] {
        let settings = Settings {
            max_rate: rate,
            ..settings()
        };
        let mut sim = Sim::new(settings, hostile(10_013));
        sim.world.auto_peers(peers);
        sim.watch(hashes(n, 6));
        assert!(sim.run(n, 4 * HOUR));
        let figures = measure(&mut sim, n, 0, Duration::ZERO);
        let name = format!("first round: {n} of {peers} peers at {rate}/s");
        show(&name, &figures);
        println!("{:.1} s, {:?}", sim.now as f64 / 1e3, sim.world.stats());
    }
}

/// Measures two rounds of a schedule: cold, then warm.
fn rounds(settings: Settings, n: usize) -> [Figures; 2] {
    let mut sim = Sim::new(settings, ten_million(100.0));
    sim.world.auto_peers(10);
    warm_up(&mut sim);
    let (packets, cpu) = (sim.packets(), sim.cpu);
    sim.watch(hashes(n, 4));
    assert!(sim.run(n, 4 * HOUR));
    let cold = measure(&mut sim, n, packets, cpu);
    let (packets, cpu) = (sim.packets(), sim.cpu);
    assert!(sim.run(n, 4 * HOUR));
    [cold, measure(&mut sim, n, packets, cpu)]
}

fn sweep() {
    let [cold, warm] = rounds(settings(), 10_000);
    show("10M nodes, 10,000 torrents, cold", &cold);
    show("10M nodes, 10,000 torrents, warm", &warm);
    let early = Settings {
        recall_target: Some(0.995),
        ..settings()
    };
    let [cold, warm] = rounds(early, 10_000);
    show("... recall target 0.995, cold", &cold);
    show("... recall target 0.995, warm", &warm);
}

fn law() {
    for n in [1_000, 10_000, 100_000] {
        let [cold, warm] = rounds(settings(), n);
        show(&format!("10M nodes, {n} torrents, cold"), &cold);
        show(&format!("10M nodes, {n} torrents, warm"), &warm);
    }
}
