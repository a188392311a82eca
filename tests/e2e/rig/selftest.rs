//! Tests of the rig itself, without the daemon.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr, UdpSocket};

use super::clients::{Libtorrent, Torrent, Transmission};
use super::exposition::Exposition;
use super::prometheus::{Prometheus, promtool_check};
use super::scripted::{self, HttpTracker, Reply, Truth, UdpTracker};
use super::swarm::{Swarm, fresh_hash};
use super::trackers::{Aquatic, Npm, Opentracker};
use super::wire::{self, Counts, Endpoint};
use super::{address, netns, wait};

fn assert_tracker_holds_swarm(tracker: Endpoint, swarm: &Swarm) {
    swarm.join(tracker);
    assert_eq!(wire::peers(tracker, &swarm.hash), swarm.endpoints());
    let counts = wire::scrape(tracker, &swarm.hash);
    let announced = (swarm.seeders.len(), swarm.leechers.len());
    assert_eq!(
        (counts.seeders as usize, counts.leechers as usize),
        announced,
        "the observer left no trace"
    );
    swarm.leave(tracker);
    assert_eq!(wire::peers(tracker, &swarm.hash).len(), 0);
}

#[test]
fn opentracker_holds_the_announced_swarm() {
    needs_servers!();
    let hash = fresh_hash();
    let tracker = Opentracker::start(&[hash]);
    assert_tracker_holds_swarm(tracker.udp(), &Swarm::of(hash, 0, 3, 4));
    assert_tracker_holds_swarm(tracker.http(), &Swarm::of(hash, 10, 60, 61));
}

#[test]
fn npm_holds_the_announced_swarm() {
    needs_servers!();
    let tracker = Npm::start();
    assert_tracker_holds_swarm(tracker.udp(), &Swarm::of(fresh_hash(), 0, 3, 4));
    assert_tracker_holds_swarm(tracker.http(), &Swarm::of(fresh_hash(), 10, 30, 31));
}

#[test]
fn aquatic_holds_the_announced_swarm() {
    needs_servers!();
    let tracker = Aquatic::start();
    assert_tracker_holds_swarm(tracker.udp(), &Swarm::of(fresh_hash(), 0, 60, 61));
}

#[test]
fn trackers_count_completed_downloads() {
    needs_servers!();
    let hash = fresh_hash();
    let tracker = Opentracker::start(&[hash]);
    let mut swarm = Swarm::of(hash, 0, 1, 2);
    swarm.join(tracker.udp());
    swarm.complete_one(tracker.udp());
    let expected = Counts {
        seeders: 2,
        leechers: 1,
        completed: 1,
    };
    assert_eq!(wire::scrape(tracker.udp(), &hash), expected);
    assert_eq!(wire::scrape(tracker.http(), &hash), expected);
}

#[test]
fn aquatic_holds_ipv6_peers() {
    needs_servers!();
    if netns::outside("rig::selftest::aquatic_holds_ipv6_peers") {
        return;
    }
    let tracker = Aquatic::start_on("::1".parse().unwrap());
    assert_tracker_holds_swarm(tracker.udp(), &Swarm::of6(fresh_hash(), 1, 40, 41));
}

#[test]
fn lose_udp_drops_the_given_percentage() {
    needs_servers!();
    if netns::outside("rig::selftest::lose_udp_drops_the_given_percentage") {
        return;
    }
    let receiver = UdpSocket::bind("127.0.0.1:0").unwrap();
    receiver.set_nonblocking(true).unwrap();
    let sender = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = receiver.local_addr().unwrap();
    let count_arrivals = || {
        let mut count = 0;
        for _ in 0..400 {
            sender.send_to(b"x", address).unwrap();
            count += usize::from(receiver.recv(&mut [0; 4]).is_ok());
        }
        count
    };
    assert_eq!(count_arrivals(), 400);
    netns::cut();
    assert_eq!(count_arrivals(), 0);
    netns::restore();
    netns::lose_udp(50);
    let count = count_arrivals();
    // Eight standard deviations to each side.
    assert!((120..=280).contains(&count), "{count} of 400");
}

#[test]
fn real_clients_join_a_swarm() {
    needs_servers!();
    let torrent = Torrent::make("real-clients");
    let tracker = Opentracker::start(&[torrent.hash]);
    torrent.announce_at(&[tracker.udp()]);
    let seeders: Vec<IpAddr> = (100..103).map(address::peer).collect();
    let leechers: Vec<IpAddr> = (103..107).map(address::peer).collect();
    let _libtorrent = Libtorrent::join_all(&torrent, &[tracker.udp()], &seeders, &leechers);
    let transmission = address::peer(107);
    let _transmission = Transmission::seed(&torrent, transmission);
    wait::until(
        "the tracker counts all eight clients",
        wait::PATIENCE,
        || {
            let counts = wire::scrape(tracker.udp(), &torrent.hash);
            ((counts.seeders, counts.leechers) == (4, 4)).then_some(())
        },
    );
    let found: BTreeSet<IpAddr> = wire::peers(tracker.udp(), &torrent.hash)
        .iter()
        .map(|peer| peer.ip())
        .collect();
    let expected = [&seeders[..], &leechers[..], &[transmission]].concat();
    assert_eq!(found, expected.into_iter().collect());
}

fn three_peers() -> Truth {
    Truth::of((0..3).map(|number| SocketAddr::new(address::peer(number), 6881)))
}

#[test]
fn scripted_trackers_report_the_given_swarm() {
    let truth = three_peers();
    let expected: BTreeSet<SocketAddr> = truth.peers.iter().copied().collect();
    let udp_truth = truth.clone();
    let tracker = UdpTracker::start(move |packet| vec![scripted::honest(packet, &udp_truth)]);
    let hash = fresh_hash();
    assert_eq!(wire::peers(tracker.endpoint(), &hash), expected);
    assert_eq!(wire::scrape(tracker.endpoint(), &hash).leechers, 3);
    assert!(matches!(
        tracker.received()[1].request,
        scripted::UdpRequest::Announce { hash: received, event: 2, left: 1 } if received == hash
    ));

    let tracker = HttpTracker::start(move |_| scripted::ok(scripted::body(&truth)));
    assert_eq!(wire::peers(tracker.endpoint(), &hash), expected);
    let requests = tracker.received();
    assert_eq!(
        requests[0].parameter("info_hash"),
        Some(&*wire::percent(&hash))
    );
    assert_eq!(requests[0].parameter("event"), Some("started"));
    assert_eq!(tracker.connections(), 2);
}

#[test]
fn parse_reads_an_exposition() {
    let page = Exposition::parse("# HELP a b\na{x=\"1\\\"\\n\",y=\"}\"} 2\na{x=\"2\"} 3e-1\nb 4\n");
    assert_eq!(page.get("b"), Some(4.0));
    assert_eq!(page.get(r#"a{y="}"}"#), Some(2.0));
    assert_eq!(page.get(r#"a{x="2"}"#), Some(0.3));
    assert_eq!(page.get(r#"a{x="3"}"#), None);
    assert_eq!(page.select("a").count(), 2);
    assert_eq!(page.names().collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn prometheus_scrapes_and_answers_queries() {
    needs_servers!();
    let page = "# HELP rig_up Whether the rig is up.\n# TYPE rig_up gauge\nrig_up 1\n";
    assert_eq!(promtool_check(page), Ok(()));
    assert!(promtool_check("rig_up{ 1\n").is_err());
    let target = HttpTracker::start(move |_| {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\n\r\n";
        Reply::raw([head, page].concat())
    });
    let prometheus = Prometheus::scraping(target.address());
    prometheus.wait_for("sum(rig_up) + sum(up)", 2.0);
}
