//! In a large DHT with dead nodes, loss, delays and byzantine nodes, every peer is counted, within
//! the rate limit and without a trace.
//!
//! The nodes have addresses that look public, so that the daemon needs no test settings: it accepts
//! only public addresses, and one node per subnet.

use std::net::SocketAddr;
use std::time::Instant;

use sha1::{Digest, Sha1};

use crate::rig::daemon::{Daemon, config, entry};
use crate::rig::dht::DhtWorld;
use crate::rig::netns;
use crate::rig::wait;
use crate::rig::wire::{Hash, hex};
use seedwatch_dev_dht_world::{Delay, Net, WorldSettings};

const TORRENTS: usize = 50;
/// Packets per second.
const RATE: f64 = 150.0;

/// Looks up all torrents in the DHT of one family, with `peers` peers each. Checks the reports of
/// the daemon and of the emulated DHT.
fn assert_every_peer_is_counted(family: Net, nodes: u32, peers: usize) {
    let (label, listen, port) = match family {
        Net::V4 => ("ipv4", "0.0.0.0:0", 6881),
        Net::V6 => ("ipv6", "[::]:0", 6883),
    };
    netns::run("ip addr add 45.0.0.1/32 dev lo");
    netns::run("ip route add local 45.0.0.0/8 dev lo src 45.0.0.1");
    netns::run("ip -6 addr add 2a77::9:9/128 dev lo nodad");
    netns::run("ip -6 route add local 2a77::/16 dev lo");
    let world = DhtWorld::start(
        &WorldSettings {
            nodes,
            dead: 0.25,
            loss: 0.02,
            delay: Delay::Uniform {
                min_ms: 50.0,
                max_ms: 150.0,
            },
            byzantine: 0.03,
            family,
            public: true,
            ..WorldSettings::default()
        },
        peers,
        port,
    );
    let bootstrap: Vec<String> = world
        .bootstrap()
        .iter()
        .map(SocketAddr::to_string)
        .collect();
    let settings = format!(
        "network: {{canaries: []}}\nstate: {{path: \"\"}}\n\
         dht: {{listen: [\"{listen}\"], bootstrap: [\"{}\"], max_rate: {RATE}/s, interval: 20s}}\n",
        bootstrap.join("\", \"")
    );
    // Spread over the key space.
    let hashes: Vec<Hash> = (0..TORRENTS)
        .map(|number| Sha1::digest(number.to_be_bytes()).into())
        .collect();
    let entries: Vec<String> = hashes
        .iter()
        .map(|hash| entry(&hex(hash), &hex(hash), &[]))
        .collect();
    let truth: usize = hashes.iter().map(|hash| world.peers_of(*hash).len()).sum();
    assert_eq!(truth, TORRENTS * peers);

    let began = Instant::now();
    let daemon = Daemon::start(&config(&settings, &entries));
    let page = daemon.wait_within("two rounds", wait::PATIENCE, |page| {
        let sent = world.count("queries") as f64;
        let most = RATE * began.elapsed().as_secs_f64() + RATE / 5.0;
        assert!(sent <= most, "{sent} of {most}");
        let lookups = page.get("seedwatch_dht_lookup_queries_count");
        lookups >= Some(TORRENTS as f64 * 2.0)
            && page.select("seedwatch_torrent_source_peers").count() == TORRENTS
    });
    let counts = page.select("seedwatch_torrent_source_peers");
    let found: f64 = counts.map(|(_, peers)| peers).sum();
    let recall = found / truth as f64;
    assert!((0.99..=1.01).contains(&recall), "{recall}\n{page}");
    let all = format!("seedwatch_torrent_peers{{family=\"{label}\"}}");
    let all: f64 = page.select(&all).map(|(_, peers)| peers).sum();
    assert!((all - found).abs() < 0.5, "{page}");
    let size = page.get("seedwatch_dht_estimated_nodes");
    assert!(size > Some(f64::from(nodes) * 0.6), "{page}");
    assert!(size < Some(f64::from(nodes) * 1.6), "{page}");

    // Queries that the emulated DHT received. A node may get a burst of three and then one per
    // second.
    assert!(world.count("max_to_one_in_10s") <= 13);
    assert_eq!(world.count("announces"), 0);
    assert_eq!(world.count("without_ro"), 0);
    assert_eq!(world.count("malformed"), 0);
    assert_eq!(world.count("overflows"), 0);
}

#[test]
fn every_peer_is_counted_in_a_dht_of_100_000_nodes() {
    needs_servers!();
    if netns::outside("dht_large::every_peer_is_counted_in_a_dht_of_100_000_nodes") {
        return;
    }
    assert_every_peer_is_counted(Net::V4, 100_000, 40);
}

#[test]
fn every_peer_is_counted_over_ipv6() {
    needs_servers!();
    if netns::outside("dht_large::every_peer_is_counted_over_ipv6") {
        return;
    }
    assert_every_peer_is_counted(Net::V6, 10_000, 25);
}
