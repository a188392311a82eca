//! No node of the DHT keeps an entry of the daemon or of `seedwatch probe`, neither as a peer nor
//! as a node.

use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;

use super::settings;
use crate::rig::clients::Torrent;
use crate::rig::daemon::{BINARY, Daemon, config, entry};
use crate::rig::krpc::DhtClient;
use crate::rig::sessions::{Plan, Sessions};
use crate::rig::wait;
use crate::rig::wire::{Hash, hex};

const PEERS: usize = 10;

/// Checks that the nodes list only sessions that announced themselves, and know only sessions.
fn assert_nothing_stays(sessions: &Sessions, hash: &Hash) {
    let observer = DhtClient::at(Ipv4Addr::new(127, 59, 0, 1));
    let nodes = sessions.nodes();
    let listed = observer.peers(nodes, hash);
    assert_eq!(listed, sessions.of(0..PEERS));
    for target in [*hash, [0; 20], [0xff; 20]] {
        let named = observer.named(nodes, &target);
        assert!(!named.is_empty());
        assert!(named.iter().all(|node| nodes.contains(node)), "{named:?}");
    }
}

#[test]
fn no_node_keeps_an_entry_of_the_daemon() {
    needs_servers!();
    let torrent = Torrent::make("watched");
    let sessions = Plan::default().torrent(&torrent, 0..2, 2..PEERS).start(24);
    let daemon = Daemon::start(&config(
        &settings(&sessions, None),
        &[entry("watched", &hex(&torrent.hash), &[])],
    ));
    let page = daemon.wait_for("three rounds", |page| {
        page.get("seedwatch_torrent_source_peers") == Some(PEERS as f64)
            && page.get("seedwatch_dht_lookup_queries_count") >= Some(3.0)
    });
    assert!(
        page.get("seedwatch_dht_queries_total") >= Some(24.0),
        "{page}"
    );
    assert_nothing_stays(&sessions, &torrent.hash);
    drop(daemon);
    assert_nothing_stays(&sessions, &torrent.hash);
}

#[test]
fn a_probe_finds_all_peers_and_leaves_no_entry() {
    needs_servers!();
    let torrent = Torrent::make("probed");
    let sessions = Plan::default().torrent(&torrent, 0..2, 2..PEERS).start(24);
    let observer = DhtClient::at(Ipv4Addr::new(127, 59, 0, 1));
    wait::until("all peers are listed", wait::PATIENCE, || {
        (observer.peers(sessions.nodes(), &torrent.hash).len() == PEERS).then_some(())
    });
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    std::fs::write(&file, config(&settings(&sessions, None), &[])).unwrap();
    let probe = |output: &str| {
        let output = Command::new(BINARY)
            .arg("--config.file")
            .args([file.as_os_str(), "probe".as_ref(), torrent.file.as_os_str()])
            .args(["--output", output])
            .output()
            .unwrap();
        let trace = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        assert_eq!(output.status.code(), Some(0), "{trace}");
        for session in sessions.of(0..PEERS) {
            let IpAddr::V4(ip) = session.ip() else {
                unreachable!()
            };
            assert!(!trace.contains(&ip.to_string()), "{trace}");
        }
        trace
    };
    let trace = probe("text");
    let line = format!("IPv4 {}: {PEERS} peers named", &hex(&torrent.hash)[..8]);
    assert!(trace.contains(&line), "{trace}");
    let trace = probe("json");
    let json: serde_json::Value = serde_json::from_str(&trace).unwrap();
    assert_eq!(json["lookups"][0]["peers"], PEERS, "{trace}");
    assert_eq!(json["summary"]["dht"]["peers"], PEERS, "{trace}");
    assert_nothing_stays(&sessions, &torrent.hash);
}
