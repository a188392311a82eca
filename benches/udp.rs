//! UDP announces: CPU of the whole path, the limit of the machine, loss, dead trackers.
//! `cargo bench --bench udp`.
//!
//! Trackers run in processes of their own; CPU time is that of all threads of the client.

// A benchmark has nobody to hand an error to.
#![allow(clippy::expect_used)]

mod support;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use seedwatch::app::core::Core;
use seedwatch::config::{
    Accept, AnnounceMode, Config, Metrics, Network, Probe, Tracker as TrackerSettings,
};
use seedwatch::observation::{
    AnnounceId, Ask, Family, Identity, Job, Manner, Observation, Report, TrackerId,
};
use seedwatch::probe::resolve::Resolver;
use seedwatch::probe::udp::{Settings, UdpProber};
use seedwatch::time::{Mono, Now, Unix};
use seedwatch::torrent::{Hashes, InfoHash, Privacy, Torrent, TrackerUrl};
use support::loss;
use support::null_tracker::{self, Manners, NullTracker, PEERS};
use support::opentracker::Opentracker;
use support::raw::{self, Sending};
use support::usage::{Cost, Since};
use tokio::runtime::Runtime;
use tokio::sync::mpsc;

/// Swarms that are asked for in turn.
const SWARMS: u32 = 1000;
const TIMEOUT: Duration = Duration::from_secs(15);
/// The port that we claim.
const PORT: u16 = 4242;

fn main() {
    null_tracker::become_one_if_asked();
    if loss::is_inside() {
        return losses();
    }
    cpu();
    real_tracker();
    dead_trackers();
    if !loss::run_inside() {
        losses();
    }
}

fn hash(n: u32) -> InfoHash {
    let mut hash = [0; 20];
    hash[..4].copy_from_slice(&n.wrapping_mul(2_654_435_761).to_be_bytes());
    hash[4..8].copy_from_slice(&n.to_be_bytes());
    InfoHash(hash)
}

/// A tracker to ask.
#[derive(Clone)]
struct Target {
    tracker: TrackerId,
    url: Arc<TrackerUrl>,
    manner: Manner,
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
                    manner: Manner::Ghost,
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
            ask: Ask::Announce {
                id: AnnounceId(n),
                info_hash: hash(n),
                manner: self.manner,
            },
        }
    }
}

/// A prober and who feeds it.
struct Client {
    runtime: Runtime,
    prober: UdpProber,
    observations: mpsc::Receiver<Vec<Observation>>,
}

/// What a run brought.
struct Run {
    cost: Cost,
    answered: usize,
    failed: usize,
    requests: usize,
}

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
                port: PORT,
            },
            mode: AnnounceMode::Ghost,
            numwant: 200,
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

    /// Keeps `flying` jobs on their way, tracker by tracker, until `enough` says so; then waits for
    /// those on their way, which do not count.
    fn announce(
        &mut self,
        targets: &[Target],
        flying: usize,
        mut enough: impl FnMut(usize) -> bool,
    ) -> Run {
        let mut next = 0;
        // Runs of one tracker, as a plan sorted by tracker has them.
        let mut jobs = |count: usize| -> Vec<Job> {
            (0..count)
                .map(|_| {
                    next += 1;
                    targets[next / 64 % targets.len()].job(next as u32 % SWARMS)
                })
                .collect()
        };
        let since = Since::now();
        self.prober.submit(jobs(flying));
        let mut open = flying;
        let mut run = Run {
            cost: since.cost(),
            answered: 0,
            failed: 0,
            requests: 0,
        };
        let mut over = false;
        while open > 0 {
            let batch = self.receive();
            open -= batch.len();
            for observation in &batch {
                let peers = match &observation.report {
                    Report::Announce {
                        result: Ok(announced),
                        ..
                    } => announced.peers.len(),
                    _ => 0,
                };
                run.failed += usize::from(peers == 0);
                if !over {
                    run.answered += usize::from(peers > 0);
                    run.requests += observation.exchange.requests as usize;
                }
            }
            if !over {
                over = enough(run.answered);
                if over {
                    run.cost = since.cost();
                } else {
                    self.prober.submit(jobs(batch.len()));
                    open += batch.len();
                }
            }
        }
        run
    }

    fn stop(self) {
        self.runtime.block_on(self.prober.drain());
    }
}

/// For so long.
fn lasting(time: Duration) -> impl FnMut(usize) -> bool {
    let start = Instant::now();
    move |_| start.elapsed() >= time
}

fn row(what: &str, cost: Cost, count: usize) {
    println!(
        "  {what:<44} {:6.2} µs CPU   {:8.0} a second",
        cost.cpu_each(count),
        cost.rate(count)
    );
}

/// The best of three: others use this machine too.
fn best(mut measure: impl FnMut() -> (Cost, usize)) -> (Cost, usize) {
    (0..3)
        .map(|_| measure())
        .min_by(|a, b| a.0.cpu_each(a.1).total_cmp(&b.0.cpu_each(b.1)))
        .expect("three")
}

fn cpu() {
    const COUNT: usize = 256_000;
    println!("one announce, answered with {PEERS} peers by a tracker that does nothing else:");
    let tracker = NullTracker::start(1, Manners::Answers);
    let to = tracker.addresses[0];
    let (limit, count) = best(|| (raw::announce(to, COUNT, Sending::Many), COUNT));
    row("limit: sendmmsg, window 64, nothing read", limit, count);
    let limit = limit.cpu_each(count);
    let (cost, count) = best(|| (raw::announce(to, COUNT, Sending::Segmented), COUNT));
    row("limit: segmented, window 64, nothing read", cost, count);
    let (cost, count) = best(|| {
        let mut client = Client::start();
        let run = client.announce(&Target::list(&[to]), 4096, |answered| answered >= COUNT);
        client.stop();
        assert_eq!(run.failed, 0);
        (run.cost, run.answered)
    });
    row(
        "prober: job, engine, socket, list, observation",
        cost,
        count,
    );
    let (cost, count) = best(|| whole_path(to, 10_000, 20));
    row("whole path: plan, prober, judgement, fold", cost, count);
    let each = cost.cpu_each(count);
    println!(
        "  whole path: {each:.2} µs (budget 4.00), {:.2} of the sendmmsg limit (budget 0.70)",
        limit / each
    );
}

/// Rounds over many torrents, as the daemon has them, but without the hours in between.
fn whole_path(tracker: SocketAddr, torrents: u32, rounds: u64) -> (Cost, usize) {
    let mut client = Client::start();
    let now = |round: u64, start: Instant| Now {
        mono: Mono(round * 4_000_000 + start.elapsed().as_millis() as u64),
        unix: Unix(1_700_000_000 + round * 4000),
    };
    let start = Instant::now();
    let mut core = Core::new(&config(tracker, torrents), PORT, now(0, start));
    let mut since = Since::now();
    let mut answered = 0;
    for round in 1..=rounds {
        if round == 2 {
            // The first round is the daemon's first minute: names, families, memory.
            since = Since::now();
            answered = 0;
        }
        let mut open = 0;
        loop {
            let mut jobs = Vec::new();
            core.poll(now(round, start).mono, &mut jobs);
            open += jobs.len();
            if !jobs.is_empty() {
                client.prober.submit(jobs);
            }
            if open == 0 {
                break;
            }
            for observation in client.receive() {
                open -= 1;
                answered += usize::from(matches!(
                    &observation.report,
                    Report::Announce { result: Ok(announced), .. } if !announced.peers.is_empty()
                ));
                core.absorb(observation, now(round, start));
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
    let trackers: Arc<[_]> = [Arc::new(url)].into();
    let torrents = (0..torrents).map(|n| Torrent {
        name: format!("torrent-{n:08}").into(),
        hashes: Hashes::V1(hash(n)),
        trackers: Arc::clone(&trackers),
        labels: None,
        privacy: Privacy::Public,
    });
    Config {
        torrents: torrents.collect(),
        probe: Probe {
            interval: Duration::from_secs(1800),
            timeout: TIMEOUT,
            stale_after: Duration::from_secs(4500),
        },
        tracker: TrackerSettings {
            announce: AnnounceMode::Ghost,
            max_rate: 1e9,
            numwant: 200,
            user_agent: "seedwatch".into(),
            peer_id_prefix: "-SW0100-".into(),
        },
        accept: Accept::Any,
        network: Network {
            canaries: Vec::new(),
        },
        metrics: Metrics { per_tracker: true },
        warnings: Vec::new(),
    }
}

/// opentracker needs two announces a swarm: `started`, which brings the list, and `stopped`.
fn real_tracker() {
    let swarms: Vec<[u8; 20]> = (0..SWARMS).map(|n| hash(n).0).collect();
    let Some(tracker) = Opentracker::start(&swarms, PEERS as u16) else {
        println!("opentracker is not here, or did not take its swarms: left out");
        return;
    };
    println!("one swarm of {PEERS} peers at opentracker:");
    let mut targets = Target::list(&[tracker.address]);
    targets[0].manner = Manner::Brief;
    let (cost, count) = best(|| {
        let mut client = Client::start();
        let run = client.announce(&targets, 4096, |answered| answered >= 100_000);
        client.stop();
        assert_eq!(run.failed, 0);
        (run.cost, run.answered)
    });
    row("prober: started and stopped", cost, count);
    println!("  {:.2} µs CPU an announce", cost.cpu_each(count) / 2.0);
}

/// Thirty-two trackers, then as many dead ones beside them. As the plan has it, a dead tracker gets
/// few jobs at a time; here each has eight that never end before their deadline.
fn dead_trackers() {
    let alive = NullTracker::start(32, Manners::Answers);
    let dead = NullTracker::start(32, Manners::Silent);
    println!("thirty-two trackers, and thirty-two dead ones beside them:");
    let time = Duration::from_secs(2);
    let mut rates = [Vec::new(), Vec::new()];
    for turn in 0..6 {
        let mut client = Client::start();
        let dying: Vec<Job> = Target::list(&dead.addresses)
            .into_iter()
            .map(|target| Target {
                tracker: TrackerId(1000 + target.tracker.0),
                ..target
            })
            .flat_map(|target| (0..8).map(move |n| target.job(n)))
            .collect();
        if turn % 2 == 1 {
            client.prober.submit(dying);
        }
        let targets = Target::list(&alive.addresses);
        let since = Since::now();
        let mut answered = 0;
        let mut next = 0;
        let mut open = 0usize;
        while since.cost().wall < time {
            if open < 4096 {
                let jobs: Vec<Job> = (0..4096 - open)
                    .map(|_| {
                        next += 1;
                        targets[next / 64 % targets.len()].job(next as u32 % SWARMS)
                    })
                    .collect();
                open += jobs.len();
                client.prober.submit(jobs);
            }
            for observation in client.receive() {
                if observation.tracker.0 < 1000 {
                    open -= 1;
                    answered += 1;
                }
            }
        }
        rates[turn % 2].push(since.cost().rate(answered));
        client.stop();
    }
    let [healthy, half] = rates.map(|mut rates| {
        rates.sort_by(f64::total_cmp);
        rates[rates.len() - 1]
    });
    println!(
        "  all alive {healthy:8.0} a second, half dead {half:8.0}: {:.1} % lost (budget 2 %)",
        100.0 * (1.0 - half / healthy)
    );
}

/// One packet in ten lost each way, against the same without.
fn losses() {
    let by_kernel = loss::is_inside() && loss::prepare();
    let how = if by_kernel {
        "by the kernel (nft)"
    } else {
        "by the tracker itself"
    };
    println!("one packet in ten lost each way, {how}:");
    let time = Duration::from_secs(3);
    let mut rates = [0f64; 2];
    for _ in 0..2 {
        for (lossy, verdict) in [(false, "accept"), (true, "drop")] {
            let manners = match by_kernel || !lossy {
                true => Manners::Answers,
                false => Manners::Loses,
            };
            let tracker = NullTracker::start(1, manners);
            if by_kernel {
                assert!(loss::every_tenth(verdict), "nft");
            }
            let mut client = Client::start();
            let targets = Target::list(&tracker.addresses);
            let run = client.announce(&targets, 50_000, lasting(time));
            client.stop();
            let rate = run.cost.rate(run.answered);
            let at = usize::from(lossy);
            rates[at] = rates[at].max(rate);
            println!(
                "  {:<9} {rate:8.0} a second, {:5.2} µs CPU, {:4.2} packets each, {} of {} unanswered",
                if lossy { "lossy" } else { "lossless" },
                run.cost.cpu_each(run.answered),
                run.requests as f64 / run.answered as f64,
                run.failed,
                run.answered,
            );
        }
    }
    println!(
        "  {:.0} % of lossless (budget 60 %)",
        100.0 * rates[1] / rates[0]
    );
}
