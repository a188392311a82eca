//! UDP announces: CPU time of the whole path, the daemon at the pace of a large installation, the
//! limit of the machine, packet loss, dead trackers. `cargo bench --bench udp`, or one part: `cargo
//! bench --bench udp -- cpu`. The part `paced` takes four minutes and runs only if named; one
//! scenario of it: `cargo bench --bench udp -- paced=away`.
//!
//! Trackers run in processes of their own. CPU time is that of all threads of the client.

#![expect(
    clippy::expect_used,
    reason = "a benchmark reports errors by panicking"
)]

mod common;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use seedwatch::app::engine_settings;
use seedwatch::config::{Accept, Config};
use seedwatch_clock::{Mono, Now, Unix};
use seedwatch_core::Engine;
use seedwatch_dev_bench::loss;
use seedwatch_dev_bench::null_tracker::{self, NullTracker, PEERS, TrackerBehaviour};
use seedwatch_dev_bench::opentracker::Opentracker;
use seedwatch_dev_bench::paced;
use seedwatch_dev_bench::raw::{self, Sending};
use seedwatch_dev_bench::usage::{Cost, CostMeter};
use seedwatch_distinct::Key;
use seedwatch_probers::resolve::Resolver;
use seedwatch_probers::udp::{Settings, UdpProber};
use seedwatch_torrent::Family;
use seedwatch_torrent::{Hashes, InfoHash, Privacy, Torrent, TrackerList, TrackerUrl};
use seedwatch_tracker::{
    AnnounceId, AnnounceStrategy, Identity, Job, Observation, Report, Request, TrackerId,
};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

/// Swarms that are announced in turn.
const SWARMS: u32 = 1000;
const TIMEOUT: Duration = Duration::from_secs(15);
/// Measurements of each part.
const TURNS: usize = 5;
/// Measurements of CPU time. They are shorter and more numerous: other processes make most of them
/// slower, and none faster.
const CPU_TURNS: usize = 25;
/// Port that we announce.
const PORT: u16 = 4242;

fn main() {
    null_tracker::run_if_child();
    paced::run_if_child();
    if loss::is_inside() {
        return losses();
    }
    let parts: [(&str, fn()); 4] = [
        ("cpu", cpu),
        ("opentracker", real_tracker),
        ("dead", dead_trackers),
        ("loss", || {
            if !loss::run_inside() {
                losses();
            }
        }),
    ];
    // Cargo adds `--bench`.
    let wanted: Vec<String> = std::env::args()
        .skip(1)
        .filter(|a| !a.starts_with('-'))
        .collect();
    let of_paced = |wanted: &String| wanted == "paced" || wanted.starts_with("paced=");
    if let Some(wanted) = wanted.iter().find(|wanted| of_paced(wanted)) {
        paced(wanted.strip_prefix("paced="));
    }
    for (name, part) in parts {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            part();
        }
    }
}

fn hash(n: u32) -> InfoHash {
    let mut hash = [0; 20];
    hash[..4].copy_from_slice(&n.wrapping_mul(2_654_435_761).to_be_bytes());
    hash[4..8].copy_from_slice(&n.to_be_bytes());
    InfoHash(hash)
}

/// A tracker to announce to.
#[derive(Clone)]
struct Target {
    tracker: TrackerId,
    url: Arc<TrackerUrl>,
    strategy: AnnounceStrategy,
}

impl Target {
    fn list(addresses: &[SocketAddr]) -> Vec<Self> {
        (0..)
            .zip(addresses)
            .map(|(n, address)| {
                let url = format!("udp://{address}/announce");
                Self {
                    tracker: TrackerId(n),
                    url: Arc::new(TrackerUrl::parse(&url).expect("a URL")),
                    strategy: AnnounceStrategy::StoppedFirst,
                }
            })
            .collect()
    }

    fn job(&self, n: u32) -> Job {
        Job {
            tracker: self.tracker,
            family: Family::Ipv4,
            url: Arc::clone(&self.url),
            timeout: TIMEOUT,
            request: Request::Announce {
                id: AnnounceId(n),
                info_hash: hash(n),
                strategy: self.strategy,
            },
        }
    }
}

/// A prober and its channels.
struct Client {
    runtime: Runtime,
    prober: UdpProber,
    observations: mpsc::Receiver<Vec<Observation>>,
}

/// The result of a run.
struct Run {
    /// Cost of the measured section.
    cost: Cost,
    /// Answers in the measured section.
    answered: usize,
    /// Requests in the measured section.
    requests: usize,
    /// All jobs.
    jobs: usize,
    /// Unanswered jobs among all.
    unanswered: usize,
}

/// Trackers from this id on are dead.
const DEAD: TrackerId = TrackerId(1000);

impl Client {
    fn start() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let (out, observations) = mpsc::channel(1024);
        let settings = Settings {
            identity: Identity {
                peer_id: *b"-SW0100-benchbenchbe",
                key: 1,
                ports: [PORT; 2],
            },
            numwant: 200,
            accept: seedwatch_torrent::address::Accept::Any,
        };
        let prober = {
            let _inside = runtime.enter();
            UdpProber::start(settings, Resolver::system(), out).expect("a prober")
        };
        Self {
            runtime,
            prober,
            observations,
        }
    }

    fn receive(&mut self) -> Vec<Observation> {
        let batch = self.runtime.block_on(self.observations.recv());
        batch.expect("the prober lives")
    }

    /// Keeps `flying` jobs in flight, tracker by tracker. Measures for `time` after a warm-up, then
    /// waits for the jobs in flight.
    fn announce(&mut self, targets: &[Target], flying: usize, time: Duration) -> Run {
        let mut next = 0;
        // Runs of jobs for one tracker, as in a plan sorted by tracker.
        let mut jobs = |count: usize| -> Vec<Job> {
            (0..count)
                .map(|_| {
                    next += 1;
                    targets[next / 64 % targets.len()].job(next as u32 % SWARMS)
                })
                .collect()
        };
        let start = Instant::now();
        self.prober.submit(jobs(flying));
        let mut open = flying;
        let mut since = None;
        let mut run = Run {
            cost: CostMeter::now().cost(),
            answered: 0,
            requests: 0,
            jobs: flying,
            unanswered: 0,
        };
        while open > 0 {
            let batch = self.receive();
            let passed = start.elapsed();
            if since.is_none() && passed >= time {
                since = Some(CostMeter::now());
            }
            let mut alive = 0;
            for observation in &batch {
                if observation.tracker >= DEAD {
                    continue;
                }
                alive += 1;
                let answered = match &observation.report {
                    Report::Announce {
                        result: Ok(answer), ..
                    } => answer.peers.len() >= PEERS,
                    _ => false,
                };
                run.unanswered += usize::from(!answered);
                if passed >= time && passed < 2 * time {
                    run.answered += usize::from(answered);
                    run.requests += observation.stats.requests as usize;
                }
            }
            open -= alive;
            if passed < 2 * time {
                self.prober.submit(jobs(alive));
                open += alive;
                run.jobs += alive;
                if let Some(since) = &since {
                    run.cost = since.cost();
                }
            }
        }
        run
    }

    fn stop(self) {
        self.runtime.block_on(self.prober.drain());
    }
}

fn row(what: &str, (cost, count): (Cost, usize)) {
    println!(
        "  {what:<44} {:6.2} µs CPU   {:8.0} per second",
        cost.cpu_each(count),
        cost.rate(count)
    );
}

/// Measures the parts in turns, so that other load on this machine slows all of them equally.
/// Returns the costs by turn.
fn by_turns<const N: usize>(
    turns: usize,
    mut things: [&mut dyn FnMut() -> (Cost, usize); N],
) -> Vec<[(Cost, usize); N]> {
    (0..turns)
        .map(|_| std::array::from_fn(|at| things[at]()))
        .collect()
}

/// Returns the best run of each part.
fn best_of<const N: usize>(
    turns: &[[(Cost, usize); N]],
    better: impl Fn(&(Cost, usize), &(Cost, usize)) -> bool,
) -> [(Cost, usize); N] {
    std::array::from_fn(|at| {
        let all = turns.iter().map(|turn| turn[at]);
        all.reduce(|best, now| if better(&now, &best) { now } else { best })
            .expect("a turn")
    })
}

fn best<const N: usize>(
    things: [&mut dyn FnMut() -> (Cost, usize); N],
    better: impl Fn(&(Cost, usize), &(Cost, usize)) -> bool,
) -> [(Cost, usize); N] {
    best_of(&by_turns(TURNS, things), better)
}

fn cheaper(a: &(Cost, usize), b: &(Cost, usize)) -> bool {
    a.0.cpu_each(a.1) < b.0.cpu_each(b.1)
}

fn faster(a: &(Cost, usize), b: &(Cost, usize)) -> bool {
    a.0.rate(a.1) > b.0.rate(b.1)
}

fn cpu() {
    const COUNT: usize = 32_000;
    println!("one announce, answered with {PEERS} peers by a tracker that does nothing else:");
    let tracker = NullTracker::start(1, TrackerBehaviour::Answers);
    let to = tracker.addresses[0];
    let turns = by_turns(
        CPU_TURNS,
        [
            &mut || (raw::announce(to, COUNT, Sending::Many), COUNT),
            &mut || (raw::announce(to, COUNT, Sending::Segmented), COUNT),
            &mut || announces(&Target::list(&[to]), Duration::from_millis(100)),
            &mut || whole_path(to, 10_000, 5),
        ],
    );
    let [limit, segmented, prober, whole] = best_of(&turns, cheaper);
    println!("  the best of {CPU_TURNS} short turns of each, by turns:");
    row("limit: sendmmsg, window 64, nothing read", limit);
    row("limit: segmented, window 64, nothing read", segmented);
    row("prober: job, engine, socket, list, observation", prober);
    row("whole path: plan, prober, judgement, fold", whole);
    let each = |(cost, count): (Cost, usize)| cost.cpu_each(count);
    let mut ratios: Vec<f64> = turns.iter().map(|t| each(t[0]) / each(t[3])).collect();
    ratios.sort_by(f64::total_cmp);
    let (limit, whole) = (each(limit), each(whole));
    println!(
        "  whole path: {whole:.2} µs (budget 4.00), {:.2} of the sendmmsg limit (budget 0.70); \
         median of the turns {:.2}",
        limit / whole,
        ratios[ratios.len() / 2]
    );
}

/// Runs the daemon as a process of its own.
fn paced(scenario: Option<&str>) {
    let hex = |n| {
        let InfoHash(mut hash) = hash(n);
        // The last bytes determine the jitter of the torrent.
        hash[18..].copy_from_slice(&(n.wrapping_mul(0x9e37_79b1) >> 16).to_be_bytes()[2..]);
        InfoHash(hash).to_string()
    };
    // Another build to compare with.
    let other = std::env::var("SEEDWATCH_BENCH_BINARY").ok();
    let binary = other.as_deref().unwrap_or(env!("CARGO_BIN_EXE_seedwatch"));
    paced::measure(binary, hex, scenario);
}

fn announces(targets: &[Target], time: Duration) -> (Cost, usize) {
    let mut client = Client::start();
    let run = client.announce(targets, 4096, time);
    client.stop();
    assert_eq!(run.unanswered, 0);
    (run.cost, run.answered)
}

/// Processes rounds over many torrents as the daemon does, without the hours in between.
fn whole_path(tracker: SocketAddr, torrents: u32, rounds: u64) -> (Cost, usize) {
    let mut client = Client::start();
    let now = |round: u64, start: Instant| Now {
        mono: Mono(round * 4_000_000 + start.elapsed().as_millis() as u64),
        unix: Unix(1_700_000_000 + round * 4000),
    };
    let start = Instant::now();
    let mut engine = Engine::new(
        &engine_settings(&config(tracker, torrents)),
        [PORT; 2],
        Key::new([7; 16]),
        now(0, start),
    );
    let mut since = CostMeter::now();
    let mut answered = 0;
    for round in 1..=rounds {
        if round == 2 {
            // The first round resolves names and allocates memory.
            since = CostMeter::now();
            answered = 0;
        }
        let mut open = 0;
        loop {
            let mut jobs = Vec::new();
            engine.poll(now(round, start).mono, &mut jobs);
            open += jobs.len();
            if !jobs.is_empty() {
                client.prober.submit(jobs);
            }
            if open == 0 {
                break;
            }
            let batch = client.receive();
            // One reading of the clock per batch, as in the daemon.
            let absorbed = now(round, start);
            for observation in batch {
                open -= 1;
                answered += usize::from(matches!(
                    &observation.report,
                    Report::Announce { result: Ok(announced), .. } if !announced.peers.is_empty()
                ));
                engine.absorb(observation, absorbed);
            }
        }
    }
    let cost = since.cost();
    client.stop();
    assert_eq!(answered, (rounds as usize - 1) * torrents as usize);
    (cost, answered)
}

fn config(tracker: SocketAddr, torrents: u32) -> Config {
    let url = TrackerUrl::parse(&format!("udp://{tracker}/announce")).expect("a URL");
    let trackers = TrackerList::from([Arc::new(url)]);
    let torrents = (0..torrents).map(|n| Torrent {
        name: format!("torrent-{n:08}").into(),
        hashes: Hashes::V1(hash(n)),
        trackers: trackers.clone(),
        details: None,
        privacy: Privacy::Public,
        size: None,
    });
    let mut config = common::config(torrents.collect(), 1e9, Accept::Any);
    config.probe.timeout = TIMEOUT;
    config
}

/// Measures opentracker, which needs two announces per swarm: `started`, which returns the list,
/// and `stopped`.
fn real_tracker() {
    let swarms: Vec<[u8; 20]> = (0..SWARMS).map(|n| hash(n).0).collect();
    let Some(tracker) = Opentracker::start(&swarms, PEERS as u16) else {
        println!("opentracker is not here, or did not take its swarms: left out");
        return;
    };
    println!("one swarm of {PEERS} peers at opentracker:");
    let mut targets = Target::list(&[tracker.address]);
    targets[0].strategy = AnnounceStrategy::StartThenStop;
    let [started_and_stopped] = best(
        [&mut || announces(&targets, Duration::from_millis(600))],
        cheaper,
    );
    row("prober: started and stopped", started_and_stopped);
}

/// Measures 32 trackers, then the same beside 32 dead ones. The scheduler gives a dead tracker few
/// jobs at a time; here each has eight jobs that last until their deadline.
fn dead_trackers() {
    let alive = NullTracker::start(32, TrackerBehaviour::Answers);
    let dead = NullTracker::start(32, TrackerBehaviour::Silent);
    println!("thirty-two trackers, and thirty-two dead ones beside them:");
    let time = Duration::from_millis(700);
    let alive = Target::list(&alive.addresses);
    let dying = || {
        Target::list(&dead.addresses)
            .into_iter()
            .map(|target| Target {
                tracker: TrackerId(DEAD.0 + target.tracker.0),
                ..target
            })
            .flat_map(|target| (0..8).map(move |n| target.job(n)))
            .collect()
    };
    let [healthy, half] = best(
        [&mut || announces(&alive, time), &mut || {
            let mut client = Client::start();
            client.prober.submit(dying());
            let run = client.announce(&alive, 4096, time);
            client.stop();
            assert_eq!(run.unanswered, 0);
            (run.cost, run.answered)
        }],
        faster,
    );
    row("all alive", healthy);
    row("half dead", half);
    let [healthy, half] = [healthy, half].map(|(cost, count)| cost.rate(count));
    println!(
        "  {:.1} % lost (budget 2 %)",
        100.0 * (1.0 - half / healthy)
    );
}

/// Measures with one packet in ten lost in each direction, and without.
fn losses() {
    let by_kernel = loss::is_inside() && loss::prepare();
    let how = match by_kernel {
        true => "by the kernel (nft)",
        false => "by the tracker itself",
    };
    println!("one packet in ten lost each way, {how}:");
    let (mut jobs, mut unanswered, mut requests, mut answered) = (0, 0, 0, 0);
    let mut measure = |lossy: bool| {
        let behaviour = match lossy && !by_kernel {
            true => TrackerBehaviour::Loses,
            false => TrackerBehaviour::Answers,
        };
        let tracker = NullTracker::start(1, behaviour);
        if by_kernel {
            let verdict = if lossy { "drop" } else { "accept" };
            assert!(loss::every_tenth(verdict), "nft");
        }
        let mut client = Client::start();
        let targets = Target::list(&tracker.addresses);
        let run = client.announce(&targets, 50_000, Duration::from_secs(2));
        client.stop();
        if lossy {
            jobs += run.jobs;
            unanswered += run.unanswered;
            requests += run.requests;
            answered += run.answered;
        }
        (run.cost, run.answered)
    };
    let measure = std::cell::RefCell::new(&mut measure);
    let [lossless, lossy] = best(
        [&mut || measure.borrow_mut()(false), &mut || {
            measure.borrow_mut()(true)
        }],
        faster,
    );
    row("lossless", lossless);
    row("lossy", lossy);
    let [lossless, lossy] = [lossless, lossy].map(|(cost, count)| cost.rate(count));
    println!(
        "  {:.0} % of lossless (budget 60 %); {:.2} packets per announce, {unanswered} of {jobs} \
         unanswered",
        100.0 * lossy / lossless,
        requests as f64 / answered as f64,
    );
}
