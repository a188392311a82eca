//! Every peer that announced itself is found and counted once.

use std::collections::BTreeSet;
use std::path::Path;

use seedwatch_torrent::bencode::Value;
use sha1::Digest;

use super::settings;
use crate::rig::clients::Torrent;
use crate::rig::daemon::{Daemon, config, entry};
use crate::rig::sessions::Plan;
use crate::rig::swarm::fresh_hash;
use crate::rig::trackers::Opentracker;
use crate::rig::wire::{self, AnnounceEvent, Peer, hex};

#[test]
fn every_peer_that_announced_itself_is_counted_once() {
    needs_servers!();
    let (alone, beside) = (Torrent::make("alone"), Torrent::make("beside"));
    let sessions = Plan::default()
        .torrent(&alone, 0..5, 5..32)
        .torrent(&beside, 10..12, 12..20)
        .start(40);
    // Half of the peers in the tracker's swarm are also in the DHT.
    let tracker = Opentracker::start(&[beside.hash]);
    for peer in sessions.of(15..25) {
        let peer = Peer {
            ip: peer.ip(),
            port: peer.port(),
            left: 7,
        };
        wire::announce(tracker.udp(), &beside.hash, &peer, AnnounceEvent::Started);
    }
    let daemon = Daemon::start(&config(
        &settings(&sessions, None),
        &[
            entry("alone", &hex(&alone.hash), &[]),
            entry("beside", &hex(&beside.hash), &[tracker.udp().url()]),
            entry("unheard", &hex(&fresh_hash()), &[]),
        ],
    ));
    let peers = |torrent, source, count| {
        let name = "seedwatch_torrent_source_peers";
        let series = format!("{name}{{torrent=\"{torrent}\",source=\"{source}\"}}");
        (series, Some(count))
    };
    let all = |torrent, count| {
        let name = "seedwatch_torrent_peers";
        let series = format!("{name}{{torrent=\"{torrent}\",family=\"ipv4\"}}");
        (series, Some(count))
    };
    let succeeded = |torrent| {
        let name = "seedwatch_torrent_probe_success";
        let series = format!("{name}{{torrent=\"{torrent}\",source=\"dht\"}}");
        (series, Some(1.0))
    };
    let expected = [
        peers("alone", "dht", 32.0),
        all("alone", 32.0),
        peers("beside", "dht", 10.0),
        peers("beside", "tracker", 10.0),
        all("beside", 15.0),
        peers("unheard", "dht", 0.0),
        all("unheard", 0.0),
        succeeded("alone"),
        succeeded("beside"),
        succeeded("unheard"),
    ];
    let expected: Vec<(&str, Option<f64>)> = expected
        .iter()
        .map(|(series, value)| (series.as_str(), *value))
        .collect();
    daemon.wait_for_values(&expected);

    // In 2,048 bits, fewer than one of 32 collides on average.
    daemon.wait_for("filters are counted", |page| {
        let near = |name: &str, torrent: &str, truth: f64| {
            let series = format!("seedwatch_torrent_dht_{name}{{torrent=\"{torrent}\"}}");
            page.get(&series).is_some_and(|n| (n - truth).abs() <= 2.0)
        };
        near("seeders", "alone", 5.0)
            && near("leechers", "alone", 27.0)
            && near("seeders", "beside", 2.0)
            && near("leechers", "beside", 8.0)
            && near("seeders", "unheard", 0.0)
            && near("leechers", "unheard", 0.0)
    });
}

#[test]
fn a_hybrid_torrent_has_the_peers_of_both_its_hashes() {
    needs_servers!();
    let file = Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/fixtures/hybrid.torrent"
    ));
    let metainfo = std::fs::read(file).unwrap();
    let (Value::Dict(metainfo), _) = Value::parse(&metainfo).unwrap() else {
        panic!("no metainfo");
    };
    let info = metainfo.get(b"info").unwrap().as_dict().unwrap().raw();
    let (v1, v2) = (sha1::Sha1::digest(info), sha2::Sha256::digest(info));
    let sessions = Plan::default()
        .file(file, 0..4)
        .magnet(&v1, 4..10)
        .magnet(&v2, 8..15)
        .start(24);
    // A magnet link, since the file names trackers.
    let torrent = format!(
        "- {{name: hybrid, magnet: \"magnet:?xt=urn:btih:{}&xt=urn:btmh:1220{}\"}}\n",
        hex(&v1),
        hex(&v2)
    );
    let daemon = Daemon::start(&config(&settings(&sessions, None), &[torrent]));
    let peers: BTreeSet<_> = sessions.of(0..15);
    daemon.wait_for_values(&[(
        r#"seedwatch_torrent_source_peers{torrent="hybrid",source="dht"}"#,
        Some(peers.len() as f64),
    )]);
}
