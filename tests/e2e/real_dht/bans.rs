//! No node bans the daemon, whatever its rate. libtorrent ignores an address for five minutes if it
//! sends 50 packets within ten seconds.

use std::net::Ipv4Addr;

use super::settings;
use crate::rig::daemon::{Daemon, config, entry};
use crate::rig::krpc::DhtClient;
use crate::rig::sessions::Plan;
use crate::rig::wait;
use crate::rig::wire::hex;

const NODES: usize = 200;
/// Torrents anywhere in the key space, and torrents whose lookups query the same few nodes.
const SPREAD: u8 = 185;
const TOGETHER: u8 = 15;

#[test]
fn two_hundred_nodes_do_not_ban_the_daemon() {
    needs_servers!();
    let sessions = Plan::default().with_own_limits().start(NODES);
    let nodes = sessions.nodes();
    // Bans are by address, and the daemon uses this one.
    let client = DhtClient::at(Ipv4Addr::LOCALHOST);
    let alive = client.ping(nodes);
    assert!(alive.len() > NODES * 9 / 10, "{}", alive.len());

    let anywhere = (0..SPREAD).map(|number| [number; 20]);
    let together = (0..TOGETHER).map(|number| {
        let mut hash = [0x77; 20];
        hash[19] = number;
        hash
    });
    let entries: Vec<String> = anywhere
        .chain(together)
        .map(|hash| entry(&hex(&hash), &hex(&hash), &[]))
        .collect();
    let daemon = Daemon::start(&config(&settings(&sessions, None), &entries));
    let page = daemon.wait_within("two rounds", wait::PATIENCE, |page| {
        let lookups = page.get("seedwatch_dht_lookup_queries_count");
        lookups >= Some(entries.len() as f64 * 2.0)
    });
    let total = |name| page.get(name).unwrap_or_default();
    let (queries, timeouts) = (
        total("seedwatch_dht_queries_total"),
        total("seedwatch_dht_timeouts_total"),
    );
    assert!(queries > NODES as f64 * 10.0, "{page}");
    assert!(timeouts < queries / 100.0, "{page}");
    // The number of nodes known by now varies: runs have shown 136 to 178.
    let known = page.get(r#"seedwatch_dht_nodes{family="ipv4"}"#);
    assert!(known > Some(NODES as f64 * 0.5), "{page}");
    drop(daemon);
    let banning: Vec<_> = alive.difference(&client.ping(nodes)).copied().collect();
    assert_eq!(banning, [], "{page}");

    // Shows that a ban would be noticed.
    let victim = *alive.first().unwrap();
    client.flood(victim, 120);
    wait::until("the node bans us", wait::PATIENCE, || {
        client.ping(&[victim]).is_empty().then_some(())
    });
}
