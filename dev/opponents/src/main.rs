//! Measures other DHT libraries in the emulated DHT, so that the claim that seedwatch finds more
//! peers with fewer packets can be checked. Needs Linux with `unshare` and `ip`. In this folder:
//!
//! ```text
//! cargo build --release --locked --manifest-path ../../Cargo.toml \
//!     --package seedwatch-dev-dht-world
//! cargo run --release --locked
//! ```
//!
//! Each library looks up the same info-hashes in the same world, alone in a network namespace of
//! its own, after it has bootstrapped. A row contains:
//!
//! - recall: the share of the true peers found, the mean of all lookups and the worst;
//! - packets: queries sent per lookup, as the world counted them, including pings;
//! - time until the library reports the end, median and 95th percentile;
//! - CPU time of the library per lookup, and its peak memory;
//! - unended: lookups whose end the library had not reported after a minute;
//! - overflows: answers lost in its full receive buffer, or queries in that of the world.

mod bip;
mod emulated;
mod mainline_crate;
mod usage;

use std::collections::HashSet;
use std::error::Error;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use emulated::Emulated;
use sha1::{Digest, Sha1};
use seedwatch_dev_dht_world::{World, WorldSettings};

/// Time over which the first lookups are started. Lookups that start together stay together, and
/// their answers overflow receive buffers in bursts.
const RAMP: Duration = Duration::from_secs(2);
/// Names the library to measure, inside the network namespace.
const INSIDE: &str = "OPPONENTS_INSIDE";
/// Longest wait for a lookup.
const PATIENCE: Duration = Duration::from_secs(60);

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// An info-hash.
type Hash = [u8; 20];

/// Measures other DHT libraries in an emulated DHT.
#[derive(Parser)]
struct Flags {
    /// Libraries to measure; all by default
    opponents: Vec<Opponent>,
    /// Lookups of each
    #[arg(long, default_value_t = 256)]
    lookups: usize,
    /// Lookups at the same time
    #[arg(long, default_value_t = 64)]
    at_once: usize,
    /// Peers of every info-hash
    #[arg(long, default_value_t = 300)]
    peers: usize,
    /// Nodes that are alive
    #[arg(long, default_value_t = 10_013)]
    nodes: u32,
    /// Share of ids that never answer
    #[arg(long, default_value_t = 0.25)]
    dead: f64,
    /// Probability that a query is lost, and that an answer is lost
    #[arg(long, default_value_t = 0.02)]
    loss: f64,
    /// Round-trip time, as `dhtworld` takes it
    #[arg(long, default_value = "lognormal:60:0.5")]
    delay: String,
    /// Seed; another seed gives another world
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum Opponent {
    #[value(name = "bip_dht")]
    BipDht,
    #[value(name = "mainline")]
    Mainline,
}

/// The result of one lookup.
#[derive(Clone, Default)]
struct Outcome {
    peers: HashSet<SocketAddr>,
    /// Time until the library reported the end.
    took: Option<Duration>,
}

fn main() -> Result<()> {
    let flags = Flags::parse();
    if let Ok(name) = std::env::var(INSIDE) {
        return measure(&flags, Opponent::from_str(&name, false)?);
    }
    println!(
        "| library | recall, mean / worst | packets a lookup | end, p50 / p95 | CPU a lookup \
         | peak memory | unended | overflows |\n|---|---|---|---|---|---|---|---|"
    );
    let chosen = match &flags.opponents[..] {
        [] => Opponent::value_variants(),
        chosen => chosen,
    };
    for opponent in chosen {
        let status = Command::new("unshare")
            .args(["--net", "--map-root-user"])
            .arg(std::env::current_exe()?)
            .args(std::env::args().skip(1))
            .env(INSIDE, opponent.name())
            .status()?;
        if !status.success() {
            return Err(format!("{}: {status}", opponent.name()).into());
        }
    }
    Ok(())
}

impl Opponent {
    fn name(self) -> String {
        let value = self.to_possible_value();
        value.map_or_else(String::new, |value| value.get_name().to_owned())
    }

    /// Bootstraps, calls `begin`, then looks up all hashes. Results are in the order of the hashes.
    fn look_up(
        self,
        bootstrap: &[SocketAddr],
        hashes: &[Hash],
        at_once: usize,
        begin: impl FnMut() -> Result<()>,
    ) -> Result<Vec<Outcome>> {
        match self {
            Self::BipDht => bip::look_up(bootstrap, hashes, at_once, begin),
            Self::Mainline => mainline_crate::look_up(bootstrap, hashes, at_once, begin),
        }
    }
}

/// Measures one library in this network namespace and prints its row.
fn measure(flags: &Flags, opponent: Opponent) -> Result<()> {
    emulated::loopback_up()?;
    let emulated = Emulated::start(flags)?;
    let truth = flags.truth();
    let hashes: Vec<Hash> = (0..flags.lookups as u64).map(hash).collect();
    let (mut cpu, mut overflows) = (Duration::ZERO, 0);
    let outcomes = opponent.look_up(&emulated.bootstrap, &hashes, flags.at_once, || {
        overflows = emulated.control("RESET")?.overflows;
        cpu = usage::cpu()?;
        Ok(())
    })?;
    let cpu = usage::cpu()? - cpu;
    let counts = emulated.control("STAT")?;
    let lookups = hashes.len() as f64;
    let recall: Vec<f64> = hashes
        .iter()
        .zip(&outcomes)
        .map(|(hash, outcome)| {
            let peers = truth.peers_of(hash);
            let found = peers.iter().filter(|peer| outcome.peers.contains(peer));
            found.count() as f64 / peers.len() as f64
        })
        .collect();
    let mut ends: Vec<Duration> = outcomes.iter().filter_map(|outcome| outcome.took).collect();
    ends.sort_unstable();
    let at = |share: f64| {
        let index = (ends.len() as f64 * share) as usize;
        let end = ends.get(index.min(ends.len().saturating_sub(1)));
        end.map_or("never".to_owned(), |end| {
            format!("{:.2} s", end.as_secs_f64())
        })
    };
    println!(
        "| {} | {:.4} / {:.3} | {:.1} | {} / {} | {:.2} ms | {} KiB | {} | {} |",
        opponent.name(),
        recall.iter().sum::<f64>() / lookups,
        recall.iter().copied().fold(f64::INFINITY, f64::min),
        counts.queries as f64 / lookups,
        at(0.5),
        at(0.95),
        cpu.as_secs_f64() * 1e3 / lookups,
        usage::peak_memory()?,
        outcomes.len() - ends.len(),
        counts.overflows - overflows,
    );
    Ok(())
}

impl Flags {
    /// Returns a world of one node that has the same peers.
    fn truth(&self) -> World {
        let mut world = World::new(WorldSettings {
            nodes: 1,
            seed: self.seed,
            ..WorldSettings::default()
        });
        world.auto_peers(self.peers);
        world
    }
}

/// Returns the info-hash of a number, spread over the key space.
fn hash(number: u64) -> Hash {
    Sha1::digest(number.to_be_bytes()).into()
}
