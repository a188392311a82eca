//! Claimed peers that do not count, and unsupported protocols.

use std::net::SocketAddr;

use super::three_peers;
use crate::rig::daemon::{Daemon, LAB, config, entry};
use crate::rig::scripted::{self, Truth, UdpTracker};
use crate::rig::swarm::fresh_hash;
use crate::rig::wire::hex;

#[test]
fn invalid_peers_do_not_count() {
    let claim = |text: &str| text.parse::<SocketAddr>().unwrap();
    let truth = Truth::of([
        claim("127.60.2.1:6881"),
        claim("127.60.2.1:6882"),
        claim("127.60.2.2:0"),
        claim("0.0.0.0:6881"),
        claim("224.0.0.1:6881"),
        claim("255.255.255.255:6881"),
        claim("127.0.0.1:6881"),
    ]);
    let tracker = UdpTracker::start(move |packet| vec![scripted::honest(packet, &truth)]);
    let watched = [entry(
        "claims",
        &hex(&fresh_hash()),
        &[tracker.endpoint().url()],
    )];
    let daemon = Daemon::start(&config(LAB, &watched));
    let page = daemon.wait_for_values(&[(r#"seedwatch_torrent_peers{family="ipv4"}"#, Some(1.0))]);
    let rejected = |reason: &str| {
        let selector = format!("seedwatch_peers_rejected_total{{reason=\"{reason}\"}}");
        page.get(&selector).unwrap()
    };
    assert!(rejected("bogon") >= 3.0, "{page}");
    assert!(rejected("port") >= 1.0, "{page}");
    assert!(rejected("own") >= 1.0, "{page}");
}

#[test]
fn only_routable_peers_count_on_the_internet() {
    let tracker = UdpTracker::start(|packet| {
        let mut truth = three_peers();
        truth.peers.push("198.41.0.4:6881".parse().unwrap());
        vec![scripted::honest(packet, &truth)]
    });
    let watched = [entry(
        "claims",
        &hex(&fresh_hash()),
        &[tracker.endpoint().url()],
    )];
    let settings = LAB.replace("any", "global");
    let daemon = Daemon::start(&config(&settings, &watched));
    let page = daemon.wait_for_values(&[(r#"seedwatch_torrent_peers{family="ipv4"}"#, Some(1.0))]);
    let bogons = page.get(r#"seedwatch_peers_rejected_total{reason="bogon"}"#);
    assert!(bogons >= Some(3.0), "{page}");
}

#[test]
fn unsupported_protocols_are_reported() {
    let honest = UdpTracker::start(|packet| vec![scripted::honest(packet, &three_peers())]);
    let watched = [
        entry(
            "socket",
            &hex(&fresh_hash()),
            &["wss://tracker.example".to_owned()],
        ),
        entry(
            "overlay",
            &hex(&fresh_hash()),
            &["http://tracker.i2p/announce".to_owned()],
        ),
        entry("honest", &hex(&fresh_hash()), &[honest.endpoint().url()]),
    ];
    let daemon = Daemon::start(&config(LAB, &watched));
    for (torrent, tracker) in [
        ("socket", "wss://tracker.example:443"),
        ("overlay", "http://tracker.i2p:80"),
    ] {
        let success = format!("seedwatch_announce_success{{torrent=\"{torrent}\"}}");
        let requests = format!("seedwatch_tracker_requests_total{{tracker=\"{tracker}\"}}");
        let failures = format!(
            "seedwatch_tracker_failures_total{{tracker=\"{tracker}\",reason=\"unsupported\"}}"
        );
        let up = format!("seedwatch_tracker_up{{tracker=\"{tracker}\"}}");
        let page = daemon.wait_for(tracker, |page| page.get(&failures) >= Some(1.0));
        assert_eq!(page.get(&success), Some(0.0), "{page}");
        assert_eq!(page.get(&requests), Some(0.0), "{page}");
        assert_eq!(
            page.select(&up).count(),
            0,
            "no tracker was contacted: {page}"
        );
    }
}
