//! Hostile trackers: they claim that a peer is us, or send oversized lists.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::rig::daemon::{Daemon, LAB, ONCE, config, entry};
use crate::rig::scripted::{self, HttpTracker, Reply, Request, Truth, UdpTracker};
use crate::rig::swarm::fresh_hash;
use crate::rig::wait;
use crate::rig::wire::hex;

/// The only seeder of the attacked torrent.
const SEEDER: Ipv4Addr = Ipv4Addr::new(127, 60, 4, 1);

/// Returns the answer of a tracker that claims that the seeder is us.
fn false_answer(request: &Request) -> Vec<u8> {
    let mut list = SEEDER.octets().to_vec();
    let port: u16 = request.parameter("port").unwrap().parse().unwrap();
    list.extend(port.to_be_bytes());
    list.extend([127, 60, 4, 2, 0x1a, 0xe1]);
    let external = SEEDER.octets();
    let mut body = b"d8:completei1e11:external ip4:".to_vec();
    body.extend(external);
    body.extend(b"10:incompletei1e8:intervali1800e5:peers");
    // The answer to `stopped` has only counts, so that we send `started`.
    match request.parameter("event") {
        Some("started") => {
            body.extend(format!("{}:", list.len()).as_bytes());
            body.extend(list);
        }
        _ => body.extend(b"0:"),
    }
    body.push(b'e');
    body
}

#[test]
fn a_tracker_that_claims_a_seeder_is_us_affects_no_other_torrent() {
    let hostile = HttpTracker::start(|request| scripted::ok(false_answer(request)));
    let truth = Truth {
        seeders: 1,
        leechers: 0,
        peers: vec![SocketAddr::from((SEEDER, 6881))],
        interval: 1800,
    };
    let honest = UdpTracker::start(move |packet| vec![scripted::honest(packet, &truth)]);
    let lure = entry("lure", &hex(&fresh_hash()), &[hostile.endpoint().url()]);
    let victim = entry(
        "victim",
        &hex(&fresh_hash()),
        &[honest.endpoint().url(), hostile.endpoint().url()],
    );
    let daemon = Daemon::start(&config(LAB, std::slice::from_ref(&lure)));
    let at_hostile = |torrent: &str| {
        let tracker = hostile.endpoint().label();
        format!("seedwatch_announce_success{{torrent=\"{torrent}\",tracker=\"{tracker}\"}}")
    };
    daemon.wait_for_values(&[(&at_hostile("lure"), Some(1.0))]);
    daemon.write_config(&config(LAB, &[lure, victim]));
    assert_eq!(daemon.reload().status, 200);
    let peers = r#"seedwatch_torrent_source_peers{torrent="victim",source="tracker"}"#;
    let honest_peers = format!(
        "seedwatch_announce_peers{{torrent=\"victim\",tracker=\"{}\"}}",
        honest.endpoint().label()
    );
    // The seeder, and the peer that the hostile tracker names beside it.
    let expected = [
        (peers, Some(2.0)),
        (&honest_peers, Some(1.0)),
        (&at_hostile("victim"), Some(1.0)),
    ];
    daemon.wait_for_values(&expected);
    let asked = honest.received().len();
    wait::until("two more rounds", wait::PATIENCE, || {
        let page = daemon.metrics();
        assert_eq!(page.get(&honest_peers), Some(1.0), "{page}");
        (honest.received().len() >= asked + 4).then_some(())
    });
}

/// Peers in each oversized list.
const OVERSIZED_PEERS: u32 = 150_000;
/// Number of oversized lists.
const OVERSIZED_LISTS: usize = 300;
/// Memory budget for all of them, in bytes.
const BUDGET: u64 = 80 << 20;

/// Returns answers of nearly 1 MiB.
fn oversized_answer() -> impl Fn(&Request) -> Reply + Clone + Send + Sync + 'static {
    let mut body = format!(
        "d8:completei9e8:intervali1800e5:peers{}:",
        6 * OVERSIZED_PEERS
    )
    .into_bytes();
    for number in 0..OVERSIZED_PEERS {
        body.extend(((1 << 24) + number).to_be_bytes());
        body.extend([0x1a, 0xe1]);
    }
    body.push(b'e');
    let reply = Arc::new(scripted::ok(body));
    move |_| Reply::clone(&reply)
}

/// Runs the daemon over all lists. Returns its peak memory.
fn peak_memory(trackers: &[HttpTracker]) -> u64 {
    let entries: Vec<String> = (0..OVERSIZED_LISTS)
        .map(|number| {
            let url = trackers[number % trackers.len()].endpoint().url();
            entry(&format!("t{number}"), &hex(&fresh_hash()), &[url])
        })
        .collect();
    let settings = format!("{ONCE}tracker: {{max_rate: 1000/s}}\n")
        .replace("interval: 1h", "interval: 1h, timeout: 1m");
    let daemon = Daemon::start(&config(&settings, &entries));
    let patience = Duration::from_secs(120);
    daemon.wait_within("every list is counted", patience, |page| {
        let lists = page.select("seedwatch_announce_peers");
        lists.filter(|(_, peers)| *peers == 200.0).count() == OVERSIZED_LISTS
    });
    daemon.peak_memory()
}

#[test]
fn oversized_lists_take_little_memory() {
    let peak = peak_memory(&[HttpTracker::start(oversized_answer())]);
    assert!(peak <= BUDGET, "{} MiB", peak >> 20);
}

#[test]
fn oversized_lists_of_many_trackers_take_little_memory() {
    let answer = oversized_answer();
    let start = |_| HttpTracker::start(answer.clone());
    let many: Vec<HttpTracker> = (0..OVERSIZED_LISTS).map(start).collect();
    let peak = peak_memory(&many);
    assert!(peak <= BUDGET, "{} MiB", peak >> 20);
}
