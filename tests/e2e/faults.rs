//! Trackers that send wrong data, break or die. Each failure has a reason, and none makes a swarm
//! look empty.

mod claims;
mod hostile;
mod http;
mod udp;

use std::any::Any;
use std::net::SocketAddr;

use crate::rig::address;
use crate::rig::daemon::{Daemon, LAB, config, entry};
use crate::rig::scripted::{self, HttpTracker, Reply, Truth, UdpTracker};
use crate::rig::swarm::{Swarm, fresh_hash};
use crate::rig::trackers::Opentracker;
use crate::rig::wire::{Endpoint, hex};

/// A tracker and the expected result.
struct Case {
    name: &'static str,
    url: String,
    expected: Expected,
    _tracker: Box<dyn Any>,
}

enum Expected {
    /// A failure reason, and the expected value of `seedwatch_tracker_up`.
    Failure(&'static str, f64),
    /// An answer with this many peers.
    Peers(f64),
}

use Expected::{Failure, Peers};

impl Case {
    /// Creates a case that owns its tracker.
    fn of(name: &'static str, url: String, expected: Expected, tracker: impl Any) -> Self {
        Self {
            name,
            url,
            expected,
            _tracker: Box::new(tracker),
        }
    }
}

fn over_udp(
    name: &'static str,
    expected: Expected,
    script: impl FnMut(&scripted::Packet) -> Vec<Vec<u8>> + Send + 'static,
) -> Case {
    let tracker = UdpTracker::start(script);
    Case::of(name, tracker.endpoint().url(), expected, tracker)
}

fn over_http(
    name: &'static str,
    expected: Expected,
    script: impl Fn(&scripted::Request) -> Reply + Send + Sync + 'static,
) -> Case {
    let tracker = HttpTracker::start(script);
    Case::of(name, tracker.endpoint().url(), expected, tracker)
}

/// Returns a swarm of three peers that count.
fn three_peers() -> Truth {
    Truth::of((3000..3003).map(|number| SocketAddr::new(address::peer(number), 6881)))
}

/// Probes that have the time to end on a busy machine: one that is late would count as a timeout.
const PATIENT: &str = "addresses: {accept: any}\nnetwork: {canaries: []}\n\
     dht: {enabled: false}\nprobe: {interval: 8s, timeout: 8s, stale_after: 24s}\n";

/// Runs one daemon over all cases and checks each result. A working tracker shows that our own
/// network works.
fn assert_all_cases(cases: &[Case]) {
    let hash = fresh_hash();
    let honest = UdpTracker::start(|packet| vec![scripted::honest(packet, &three_peers())]);
    let mut entries = vec![entry("honest", &hex(&hash), &[honest.endpoint().url()])];
    for case in cases {
        entries.push(entry(
            case.name,
            &hex(&fresh_hash()),
            std::slice::from_ref(&case.url),
        ));
    }
    let daemon = Daemon::start(&config(PATIENT, &entries));
    for case in cases {
        let name = case.name;
        let torrent = |metric: &str, label: &str| {
            format!("seedwatch_torrent_{metric}{{torrent=\"{name}\"{label}}}")
        };
        let success = format!("seedwatch_announce_success{{torrent=\"{name}\"}}");
        let peers = torrent("peers", ",family=\"ipv4\"");
        let probed = torrent("probe_success", "");
        let tracker = case.url.split("/announce").next().unwrap();
        let up = format!("seedwatch_tracker_up{{tracker=\"{tracker}\"}}");
        let failures = format!("seedwatch_tracker_failures_total{{tracker=\"{tracker}\"}}");
        match case.expected {
            Failure(reason, is_up) => {
                let page = daemon.wait_for(name, |page| {
                    page.get(&success) == Some(0.0) && page.get(&up) == Some(is_up)
                });
                let reasons: Vec<&str> = page
                    .select(&failures)
                    .filter(|(_, count)| *count > 0.0)
                    .map(|(labels, _)| &*labels["reason"])
                    .collect();
                assert_eq!(reasons, [reason], "{name}");
                assert_eq!(page.get(&peers), None, "{name}");
                assert_eq!(page.get(&torrent("seeders", "")), None, "{name}");
                assert_eq!(page.get(&torrent("leechers", "")), None, "{name}");
                assert_eq!(page.get(&probed), Some(0.0), "{name}");
            }
            Peers(count) => {
                daemon.wait_for_values(&[
                    (&success, Some(1.0)),
                    (&up, Some(1.0)),
                    (&peers, Some(count)),
                    (&probed, Some(1.0)),
                ]);
            }
        }
    }
    daemon.wait_for_values(&[
        (r#"seedwatch_network_up{family="ipv4"}"#, Some(1.0)),
        (
            r#"seedwatch_torrent_peers{torrent="honest",family="ipv4"}"#,
            Some(3.0),
        ),
    ]);
}

#[test]
fn a_tracker_fails_and_recovers() {
    needs_servers!();
    let hash = fresh_hash();
    let opentracker = Opentracker::start(&[hash]);
    let Endpoint::Udp(address) = opentracker.udp() else {
        panic!("not a UDP tracker")
    };
    let honest = UdpTracker::start(|packet| vec![scripted::honest(packet, &three_peers())]);
    let swarm = Swarm::of(hash, 3100, 2, 3);
    swarm.join(opentracker.udp());
    let watched = [
        entry("failing", &swarm.hex(), &[opentracker.udp().url()]),
        entry("honest", &hex(&fresh_hash()), &[honest.endpoint().url()]),
    ];
    let daemon = Daemon::start(&config(LAB, &watched));
    let label = opentracker.udp().label();
    let up = format!("seedwatch_tracker_up{{tracker=\"{label}\",family=\"ipv4\"}}");
    let peers = r#"seedwatch_torrent_peers{torrent="failing",family="ipv4"}"#;
    let success = r#"seedwatch_announce_success{torrent="failing"}"#;
    daemon.wait_for_values(&[(&up, Some(1.0)), (peers, Some(5.0)), (success, Some(1.0))]);

    drop(opentracker);
    let page = daemon.wait_for_values(&[(&up, Some(0.0)), (success, Some(0.0))]);
    // The last good value is shown until it is stale. It never becomes 0.
    assert!(matches!(page.get(peers), Some(5.0) | None), "{page}");
    daemon.wait_for("stale values disappear", |page| {
        assert!(matches!(page.get(peers), Some(5.0) | None), "{page}");
        page.get(peers).is_none()
            && page
                .get(r#"seedwatch_torrent_seeders{torrent="failing"}"#)
                .is_none()
            && page
                .get(r#"seedwatch_announce_peers{torrent="failing"}"#)
                .is_none()
    });

    let restarted = Opentracker::start_at(address, &[hash]);
    swarm.join(restarted.udp());
    daemon.wait_for_values(&[(&up, Some(1.0)), (peers, Some(5.0)), (success, Some(1.0))]);
}
