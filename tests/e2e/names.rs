//! Trackers by host name, with a real DNS server (dnsmasq) in its own network namespace.

use std::net::SocketAddr;

use crate::rig::daemon::{Daemon, ONCE, config, entry};
use crate::rig::process::Process;
use crate::rig::scripted::{self, Truth, UdpTracker};
use crate::rig::swarm::fresh_hash;
use crate::rig::wire::{Endpoint, hex};
use crate::rig::{address, netns};

/// Starts a DNS server with these records on 127.0.0.1, and configures the resolver of the
/// namespace.
fn start_dns_server(records: &[String]) -> (Process, tempfile::NamedTempFile) {
    let resolv = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(resolv.path(), "nameserver 127.0.0.1\n").unwrap();
    netns::run(&format!(
        "mount --bind {} /etc/resolv.conf",
        resolv.path().display()
    ));
    let fixed = [
        "dnsmasq",
        "--no-daemon",
        "--conf-file=/dev/null",
        "--pid-file",
        "--no-resolv",
        "--no-hosts",
        "--bind-interfaces",
        "--listen-address=127.0.0.1",
    ];
    let mut command: Vec<String> = fixed.map(str::to_owned).to_vec();
    command.extend_from_slice(records);
    let mut process = Process::start("dnsmasq", &command);
    process.wait_for_line("started");
    (process, resolv)
}

#[test]
fn names_resolve_only_to_permitted_addresses() {
    needs_servers!();
    if netns::outside("names::names_resolve_only_to_permitted_addresses") {
        return;
    }
    let truth = Truth::of((0..4).map(|n| SocketAddr::new(address::peer(n), 6881)));
    let tracker = UdpTracker::start(move |packet| vec![scripted::honest(packet, &truth)]);
    let Endpoint::Udp(address_of_tracker) = tracker.endpoint() else {
        panic!("not a UDP tracker")
    };
    let (ip, port) = (address_of_tracker.ip(), address_of_tracker.port());
    // The daemon sends no packet to the addresses outside of the loopback network.
    let (_dns, _resolv) = start_dns_server(&[
        format!("--host-record=tracker.lan,{ip}"),
        "--host-record=closed.example,198.41.0.4".to_owned(),
        "--txt-record=closed.example,BITTORRENT".to_owned(),
        "--host-record=other.example,198.41.0.4".to_owned(),
        "--txt-record=other.example,BITTORRENT UDP:1 TCP:80".to_owned(),
        format!("--host-record=rebound.example,{ip}"),
        "--address=/missing.example/".to_owned(),
    ]);
    let cases = [
        ("by-name", "tracker.lan", "", Some(4.0)),
        // BEP 34: there is no tracker, or none for this protocol.
        ("closed", "closed.example", "denied", None),
        ("other-port", "other.example", "denied", None),
        // Names of the public DNS must not lead to private addresses.
        ("rebound", "rebound.example", "dns", None),
        ("missing", "missing.example", "dns", None),
    ]
    .map(|(name, host, reason, peers)| (name, format!("udp://{host}:{port}"), reason, peers));
    let entries: Vec<String> = cases
        .iter()
        .map(|(name, tracker, ..)| {
            entry(name, &hex(&fresh_hash()), &[format!("{tracker}/announce")])
        })
        .collect();
    let daemon = Daemon::start(&config(ONCE, &entries));
    for (name, tracker, reason, peers) in cases {
        let count = format!("seedwatch_torrent_peers{{torrent=\"{name}\",family=\"ipv4\"}}");
        let success = format!("seedwatch_announce_success{{torrent=\"{name}\"}}");
        let expected = Some(f64::from(u8::from(reason.is_empty())));
        let page = daemon.wait_for_values(&[(&count, peers), (&success, expected)]);
        if !reason.is_empty() {
            let labels = format!("{{tracker=\"{tracker}\",reason=\"{reason}\"}}");
            let failures = page.get(&format!("seedwatch_tracker_failures_total{labels}"));
            assert!(failures >= Some(1.0), "{name}\n{page}");
            let requests = format!("seedwatch_tracker_requests_total{{tracker=\"{tracker}\"}}");
            assert_eq!(
                page.get(&requests),
                Some(0.0),
                "{name}: no tracker was contacted\n{page}"
            );
        }
    }
}
