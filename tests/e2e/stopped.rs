//! A tracker's answer to `stopped` proves little. Until the tracker has shown a list in such an
//! answer, `started` is sent too.

use std::net::SocketAddr;

use crate::rig::daemon::{Daemon, LAB, ONCE, config, entry};
use crate::rig::scripted::{
    HttpTracker, Packet, Reply, Request, Truth, UdpRequest, UdpTracker, body, honest, ok, refusal,
};
use crate::rig::swarm::fresh_hash;
use crate::rig::wait;
use crate::rig::wire::{Endpoint, hex};

/// A tracker's answers to a packet.
type Script = fn(&Packet) -> Vec<Vec<u8>>;

/// Event of an announce (BEP 15).
const STOPPED: u32 = 3;
/// Rounds after the first.
const ROUNDS: usize = 4;

fn four_peers() -> Truth {
    let peers = (4..8).map(|n| SocketAddr::from(([81, 2, 3, n], 6881)));
    Truth {
        seeders: 3,
        leechers: 1,
        ..Truth::of(peers)
    }
}

/// Checks that three seeders and four peers are shown.
fn assert_swarm_is_seen(tracker: Endpoint, case: &str) {
    let watched = [entry("it", &hex(&fresh_hash()), &[tracker.url()])];
    let daemon = Daemon::start(&config(ONCE, &watched));
    let page = daemon.wait_for(case, |page| page.get("seedwatch_announce_peers").is_some());
    for (metric, expected) in [
        ("seedwatch_announce_peers", 4.0),
        ("seedwatch_announce_seeders", 3.0),
        ("seedwatch_announce_success", 1.0),
        (r#"seedwatch_torrent_peers{family="ipv4"}"#, 4.0),
    ] {
        assert_eq!(page.get(metric), Some(expected), "{case}: {metric}");
    }
}

#[test]
fn swarms_are_seen_at_udp_trackers_without_a_list_for_stopped() {
    let zeros = |packet: &Packet| vec![honest(packet, &Truth::default())];
    let refuses = |packet: &Packet| vec![refusal(packet, "peer not found")];
    let silent = |_: &Packet| vec![];
    let replies: [Script; 3] = [zeros, refuses, silent];
    for (at, reply) in replies.into_iter().enumerate() {
        let tracker = UdpTracker::start(move |packet| match packet.request {
            UdpRequest::Announce { event: STOPPED, .. } => reply(packet),
            _ => vec![honest(packet, &four_peers())],
        });
        assert_swarm_is_seen(tracker.endpoint(), &format!("reply {at}"));
    }
}

/// Answers of common tracker programs.
#[test]
fn swarms_are_seen_at_http_trackers_without_a_list_for_stopped() {
    const REFUSAL: &str = "d14:failure reason27:Stopped peer doesn't exist.e";
    const NO_PEERS: &[u8] = b"d8:completei3e10:incompletei1e8:intervali1800e5:peers6:\0\0\0\0\0\0e";
    let replies: [fn() -> Reply; 6] = [
        || ok(body(&Truth::default())),
        || ok(""),
        || ok(REFUSAL),
        || Reply::raw("HTTP/1.1 400 Bad Request\r\nContent-Length: 9\r\n\r\nbad event"),
        || Reply::raw("HTTP/1.1 204 No Content\r\n\r\n"),
        || ok(NO_PEERS),
    ];
    for (at, reply) in replies.into_iter().enumerate() {
        let tracker = HttpTracker::start(move |request| match request.parameter("event") {
            Some("stopped") => reply(),
            _ => ok(body(&four_peers())),
        });
        assert_swarm_is_seen(tracker.endpoint(), &format!("reply {at}"));
    }
}

/// Waits for the first round and some more. Returns the events after the first three.
fn later_events(tracker: Endpoint, events: impl Fn() -> Vec<String>) -> Vec<String> {
    let watched = [entry("it", &hex(&fresh_hash()), &[tracker.url()])];
    let _daemon = Daemon::start(&config(LAB, &watched));
    wait::until("several rounds", wait::PATIENCE, || {
        let events = events();
        (events.len() >= 3 + ROUNDS).then(|| {
            assert_eq!(events[..3], ["stopped", "started", "stopped"]);
            events[3..].to_vec()
        })
    })
}

fn udp_events(tracker: &UdpTracker) -> Vec<String> {
    let received = tracker.received().into_iter();
    let event = received.filter_map(|packet| match packet.request {
        UdpRequest::Announce { event: STOPPED, .. } => Some("stopped"),
        UdpRequest::Announce { .. } => Some("started"),
        _ => None,
    });
    event.map(str::to_owned).collect()
}

fn http_events(tracker: &HttpTracker) -> Vec<String> {
    let event = |request: &Request| request.parameter("event").map(str::to_owned);
    tracker.received().iter().filter_map(event).collect()
}

/// Once the tracker has listed peers in an answer to `stopped`, it gets one announce per round.
#[test]
fn a_tracker_that_lists_gets_one_announce_per_round() {
    let udp = UdpTracker::start(|packet| vec![honest(packet, &four_peers())]);
    let later = later_events(udp.endpoint(), || udp_events(&udp));
    assert!(later.iter().all(|event| event == "stopped"), "{later:?}");
    let http = HttpTracker::start(|_| ok(body(&four_peers())));
    let later = later_events(http.endpoint(), || http_events(&http));
    assert!(later.iter().all(|event| event == "stopped"), "{later:?}");
}

/// Other trackers get `started` and `stopped`.
#[test]
fn a_tracker_that_does_not_list_gets_two_announces_per_round() {
    let udp = UdpTracker::start(|packet| match packet.request {
        UdpRequest::Announce { event: STOPPED, .. } => vec![honest(packet, &Truth::default())],
        _ => vec![honest(packet, &four_peers())],
    });
    let later = later_events(udp.endpoint(), || udp_events(&udp));
    let pairs = later.chunks_exact(2);
    assert!(pairs.clone().len() >= ROUNDS / 2);
    for pair in pairs {
        assert_eq!(pair, ["started", "stopped"]);
    }
}
