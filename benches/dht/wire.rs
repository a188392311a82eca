//! The whole DHT prober over real sockets: CPU time per lookup, and memory.
//!
//! The CPU time is that of this process, user and system. On the loopback interface it includes the
//! way of each query into the receive buffer of the world, but not that of the answers, which the
//! world pays for in turn.

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use seedwatch_dht::DhtReport;
use seedwatch_dht::Settings;
use seedwatch_probers::dht::{self, DhtProber};
use seedwatch_probers::resolve::{Fixed, Resolver};
use seedwatch_torrent::{Host, InfoHash};
use tokio::sync::mpsc;

use super::settings;
use seedwatch_dev_bench::child::ChildProcess;
use seedwatch_dev_bench::loss;
use seedwatch_dev_bench::usage::CostMeter;
use seedwatch_dev_dht_sim::hashes;
use seedwatch_dev_dht_world::WorldServer;
use seedwatch_dev_dht_world::{World, WorldSettings};

/// Argument of the process that serves the world.
pub(crate) const WORLD: &str = "world";

/// Time between two lookups of an info-hash; short, so that rounds follow each other.
const INTERVAL: Duration = Duration::from_secs(1);

/// Enters a network namespace where the world may own all of 127.0.0.0/8.
pub(crate) fn outside() {
    if !loss::run_inside() {
        println!(
            "over sockets: skipped, it takes `unshare`, `ip`, `nft` and the right to use them"
        );
    }
}

/// Serves the world in the other process.
pub(crate) fn serve(settings: WorldSettings) {
    let mut world = World::new(settings);
    world.auto_peers(10);
    let mut shell = WorldServer::open(world, 6881).expect("sockets");
    let first: Vec<String> = shell.bootstrap().iter().map(ToString::to_string).collect();
    println!("{}", first.join(" "));
    std::io::stdout().flush().expect("standard output");
    shell.serve(&std::io::stdin()).expect("to serve");
}

/// Measures, inside the namespace.
pub(crate) fn run() {
    assert!(loss::bring_up(), "no namespace");
    for torrents in [10_000, 100_000] {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(rounds(torrents));
    }
}

async fn rounds(torrents: usize) {
    let mut world = ChildProcess::start(WORLD, &[]);
    let bare = resident();
    let (out, mut reports) = mpsc::channel(1024);
    let settings = dht::Settings {
        // As configured by default. The kernel does not check the source of every packet then.
        listen: vec![SocketAddr::from(([0, 0, 0, 0], 0))],
        bootstrap: world
            .read_line()
            .split_whitespace()
            .map(|at| at.parse().expect("an address"))
            .map(|at: SocketAddr| (Host::Ip(at.ip()), at.port()))
            .collect(),
        engine: Settings {
            interval: INTERVAL,
            ..settings()
        },
    };
    let resolver = Resolver::fixed(Fixed::default());
    let prober = DhtProber::start(settings, resolver, Vec::new(), out).expect("a prober");
    let mut all = hashes(torrents, 4);
    all.sort_unstable();
    let all: Arc<[InfoHash]> = all.into();
    prober.watch(Arc::clone(&all));
    for round in ["cold", "warm"] {
        let since = CostMeter::now();
        let (mut ended, mut packets, mut failed) = (0, 0, 0);
        while ended < torrents {
            if let Some(DhtReport::Lookups(lookups)) = reports.recv().await {
                ended += lookups.len();
                packets += lookups.iter().map(|l| l.diagnosis.queries).sum::<u32>();
                failed += lookups.iter().filter(|l| l.result.is_err()).count();
            }
        }
        let cost = since.cost();
        println!(
            "over sockets, {torrents} torrents, {round}: {:.1} µs CPU a lookup, {:.2} packets, \
             {failed} failed, {:.0} per second, {:.1} MB more than before",
            cost.cpu_each(ended),
            f64::from(packets) / ended as f64,
            cost.rate(ended),
            (resident() - bare) as f64 / 1e6,
        );
    }
    prober.drain().await;
}

/// Returns the memory of this process, in bytes.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").expect("procfs");
    let resident = pages.split(' ').nth(1).and_then(|n| n.parse::<u64>().ok());
    resident.expect("a number") * 4096
}
