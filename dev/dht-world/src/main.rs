//! The emulated DHT as a program, for benchmarks and experiments. Run it in its own network
//! namespace:
//!
//! ```text
//! unshare --net --map-root-user sh -c 'ip link set lo up; dhtworld --nodes 1000000 --peers 30'
//! ```
//!
//! Once it answers, it prints `ready` and bootstrap addresses. A datagram `STAT` to 127.0.0.1, one
//! port above that of the nodes, returns its counts; `RESET` also resets them. It ends at the end
//! of standard input.

use std::error::Error;
use std::io::Write as _;

use clap::Parser;
use seedwatch_dev_dht_world::{Delay, Net, ScrapeStyle, World, WorldServer, WorldSettings};

/// An emulated DHT of millions of nodes, at 127.0.0.0/8 or fd77::/16.
#[derive(Parser)]
struct Flags {
    /// Nodes that are alive
    #[arg(long, default_value_t = 10_000)]
    nodes: u32,
    /// Share of ids that never answer
    #[arg(long, default_value_t = 0.0)]
    dead: f64,
    /// Probability that a query is lost, and that an answer is lost
    #[arg(long, default_value_t = 0.0)]
    loss: f64,
    /// Round-trip time in milliseconds: `none`, `uniform:MIN:MAX` or `lognormal:MEDIAN:SIGMA`
    #[arg(long, default_value = "none", value_parser = delay)]
    delay: Delay,
    /// Peers of every info-hash
    #[arg(long, default_value_t = 30)]
    peers: usize,
    /// Largest number of peers in an answer
    #[arg(long, default_value_t = 100)]
    values_cap: usize,
    /// Nodes that each peer announces to
    #[arg(long, default_value_t = 8)]
    replicas: usize,
    /// Probability that one of these nodes stores a given peer
    #[arg(long, default_value_t = 0.9)]
    visible: f64,
    /// Probability that a node knows a given neighbour
    #[arg(long, default_value_t = 0.92)]
    neighbours: f64,
    /// Nodes do not support BEP 33
    #[arg(long)]
    no_scrape: bool,
    /// Share of byzantine nodes
    #[arg(long, default_value_t = 0.0)]
    byzantine: f64,
    /// Use IPv6 instead of IPv4
    #[arg(long)]
    ipv6: bool,
    /// Use 45.0.0.0/8 or 2a77::/16, routed to `lo`, for clients that accept only public addresses
    #[arg(long)]
    public: bool,
    /// Do not report external addresses
    #[arg(long)]
    no_external_ip: bool,
    /// Seed; another seed gives another world
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// UDP port of every node
    #[arg(long, default_value_t = 6881)]
    port: u16,
}

fn delay(text: &str) -> Result<Delay, String> {
    let words: Vec<&str> = text.split(':').collect();
    let number = |text: &str| text.parse().map_err(|_| format!("{text} is not a number"));
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
        _ => Err("expected none, uniform:MIN:MAX or lognormal:MEDIAN:SIGMA".to_owned()),
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
        byzantine: flags.byzantine,
        family: [Net::V4, Net::V6][usize::from(flags.ipv6)],
        public: flags.public,
        external_ip: !flags.no_external_ip,
        seed: flags.seed,
    });
    world.auto_peers(flags.peers);
    let mut server = WorldServer::open(world, flags.port)?;
    let bootstrap: Vec<String> = server.bootstrap().iter().map(ToString::to_string).collect();
    println!("ready {}", bootstrap.join(" "));
    std::io::stdout().flush()?;
    server.serve(&std::io::stdin())?;
    Ok(())
}
