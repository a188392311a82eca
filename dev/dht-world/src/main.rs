//! The emulated DHT as a program, for benchmarks and for playing. In a network namespace of its own:
//!
//! ```text
//! unshare --net --map-root-user sh -c 'ip link set lo up; dhtworld --nodes 1000000 --peers 30'
//! ```
//!
//! It prints `ready` and addresses to begin with once it answers, tells its counts when a datagram
//! `STAT` comes to 127.0.0.1, one port above that of the nodes (`RESET` begins anew), and ends when
//! standard input does.

use std::error::Error;
use std::io::Write as _;

use clap::Parser;
use seedwatch_dev_dht_world::{Delay, Net, ScrapeStyle, Shell, World, WorldSettings};

/// An emulated DHT of millions of nodes, at 127.0.0.0/8 or fd77::/16.
#[derive(Parser)]
struct Flags {
    /// Nodes that are alive
    #[arg(long, default_value_t = 10_000)]
    nodes: u32,
    /// Share of ids that never answer
    #[arg(long, default_value_t = 0.0)]
    dead: f64,
    /// Each query is lost with this probability, and each answer
    #[arg(long, default_value_t = 0.0)]
    loss: f64,
    /// Round-trip time in milliseconds: `none`, `uniform:MIN:MAX` or `lognormal:MEDIAN:SIGMA`
    #[arg(long, default_value = "none", value_parser = delay)]
    delay: Delay,
    /// Peers of every info-hash
    #[arg(long, default_value_t = 30)]
    peers: usize,
    /// Peers in an answer, at most
    #[arg(long, default_value_t = 100)]
    values_cap: usize,
    /// Nodes that peers are announced to
    #[arg(long, default_value_t = 8)]
    replicas: usize,
    /// Probability that one of them has a peer
    #[arg(long, default_value_t = 0.9)]
    visible: f64,
    /// Probability that a node knows a neighbour
    #[arg(long, default_value_t = 0.92)]
    neighbours: f64,
    /// Nodes know nothing of BEP 33
    #[arg(long)]
    no_scrape: bool,
    /// Share of nodes that lie
    #[arg(long, default_value_t = 0.0)]
    liars: f64,
    /// The IPv6 network instead of the IPv4 one
    #[arg(long)]
    ipv6: bool,
    /// 45.0.0.0/8 or 2a77::/16 instead, routed to `lo`, for those who believe in no others
    #[arg(long)]
    public: bool,
    /// Do not tell askers their address
    #[arg(long)]
    no_external_ip: bool,
    /// Another seed, another world
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// UDP port of every node
    #[arg(long, default_value_t = 6881)]
    port: u16,
}

fn delay(text: &str) -> Result<Delay, String> {
    let words: Vec<&str> = text.split(':').collect();
    let number = |text: &str| text.parse().map_err(|_| format!("{text} is no number"));
    match words[..] {
        ["none"] => Ok(Delay::None),
        ["uniform", min, max] => Ok(Delay::Uniform {
            min_ms: number(min)?,
            max_ms: number(max)?,
        }),
        ["lognormal", median, sigma] => Ok(Delay::LogNormal {
            median_ms: number(median)?,
            sigma: number(sigma)?,
        }),
        _ => Err("neither none, uniform:MIN:MAX nor lognormal:MEDIAN:SIGMA".to_owned()),
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let flags = Flags::parse();
    let mut world = World::new(WorldSettings {
        nodes: flags.nodes,
        dead: flags.dead,
        loss: flags.loss,
        delay: flags.delay,
        values_cap: flags.values_cap,
        replicas: flags.replicas,
        visible: flags.visible,
        neighbours: flags.neighbours,
        scrape: [ScrapeStyle::Libtorrent, ScrapeStyle::None][usize::from(flags.no_scrape)],
        liars: flags.liars,
        family: [Net::V4, Net::V6][usize::from(flags.ipv6)],
        public: flags.public,
        external_ip: !flags.no_external_ip,
        seed: flags.seed,
    });
    world.auto_peers(flags.peers);
    let mut shell = Shell::open(world, flags.port)?;
    let bootstrap: Vec<String> = shell.bootstrap().iter().map(ToString::to_string).collect();
    println!("ready {}", bootstrap.join(" "));
    std::io::stdout().flush()?;
    shell.serve(&std::io::stdin())?;
    Ok(())
}
