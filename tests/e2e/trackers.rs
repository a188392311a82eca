//! Exact counts of swarms at real trackers.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::rig::clients::{Libtorrent, Torrent, Transmission};
use crate::rig::daemon::{Daemon, LAB, config, entry};
use crate::rig::exposition::Exposition;
use crate::rig::swarm::{Swarm, fresh_hash};
use crate::rig::trackers::{Aquatic, Npm, Opentracker};
use crate::rig::wire::Endpoint;
use crate::rig::{address, netns};

/// Checks the series of one torrent at one tracker.
fn is_exact(page: &Exposition, name: &str, family: &str, tracker: &str, swarm: &Swarm) -> bool {
    let seeders = swarm.seeders.len() as f64;
    let leechers = swarm.leechers.len() as f64;
    let peers = seeders + leechers;
    let torrent =
        |metric: &str| page.get(&format!("seedwatch_torrent_{metric}{{torrent=\"{name}\"}}"));
    let announce = |metric: &str| {
        let labels = format!("{{torrent=\"{name}\",tracker=\"{tracker}\"}}");
        page.get(&format!("seedwatch_announce_{metric}{labels}"))
    };
    let by_family = format!("seedwatch_torrent_peers{{torrent=\"{name}\",family=\"{family}\"}}");
    let up = format!("seedwatch_tracker_up{{tracker=\"{tracker}\",family=\"{family}\"}}");
    page.get(&by_family) == Some(peers)
        && page.get(&up) == Some(1.0)
        && torrent("source_peers") == Some(peers)
        && torrent("seeders") == Some(seeders)
        && torrent("leechers") == Some(leechers)
        && torrent("trackers") == Some(1.0)
        && torrent("trackers_online") == Some(1.0)
        && torrent("probe_success") == Some(1.0)
        && announce("success") == Some(1.0)
        && announce("peers") == Some(peers)
        && announce("seeders") == Some(seeders)
        && announce("leechers") == Some(leechers)
}

/// Watches a swarm at each tracker until every number is right. Then a peer leaves each swarm, and
/// the function waits for the new numbers.
fn assert_counts_are_exact(family: &str, trackers: &[Endpoint], mut swarms: Vec<Swarm>) {
    let names: Vec<String> = (0..swarms.len()).map(|n| format!("swarm-{n}")).collect();
    let entries: Vec<String> = (0..swarms.len())
        .map(|n| entry(&names[n], &swarms[n].hex(), &[trackers[n].url()]))
        .collect();
    for (tracker, swarm) in trackers.iter().zip(&swarms) {
        swarm.join(*tracker);
    }
    let daemon = Daemon::start(&config(LAB, &entries));
    let wait = |swarms: &[Swarm]| {
        daemon.wait_for("exact counts", |page| {
            (0..swarms.len())
                .all(|n| is_exact(page, &names[n], family, &trackers[n].label(), &swarms[n]))
        });
    };
    wait(&swarms);
    for (tracker, swarm) in trackers.iter().zip(&mut swarms) {
        swarm.first_leaves(*tracker);
    }
    wait(&swarms);
    let page = daemon.metrics();
    let rejected: f64 = page
        .select("seedwatch_peers_rejected_total")
        .filter(|(labels, _)| labels["reason"] != "own")
        .map(|(_, value)| value)
        .sum();
    assert!(rejected < 0.5, "{page}");
}

#[test]
fn ipv4_counts_are_exact_at_every_tracker() {
    needs_servers!();
    let hashes: Vec<_> = (0..6).map(|_| fresh_hash()).collect();
    let opentracker = Opentracker::start(&hashes);
    let npm = Npm::start();
    let aquatic = Aquatic::start();
    let trackers = [
        opentracker.udp(),
        opentracker.http(),
        npm.udp(),
        npm.http(),
        aquatic.udp(),
        aquatic.udp(),
    ];
    // The last swarm has only one seeder.
    let sizes = [(40, 60), (30, 50), (20, 30), (30, 25), (50, 55), (1, 0)];
    let swarms = (0..6)
        .map(|n| {
            let (seeders, leechers) = sizes[n];
            Swarm::of(
                hashes[n],
                200 * u32::try_from(n).unwrap(),
                seeders,
                leechers,
            )
        })
        .collect();
    assert_counts_are_exact("ipv4", &trackers, swarms);
}

#[test]
fn ipv6_counts_are_exact_at_every_tracker() {
    needs_servers!();
    if netns::outside("trackers::ipv6_counts_are_exact_at_every_tracker") {
        return;
    }
    let npm = Npm::start();
    let aquatic = Aquatic::start_on("::1".parse().unwrap());
    let trackers = [aquatic.udp(), npm.http6()];
    let swarms = vec![
        Swarm::of6(fresh_hash(), 1, 40, 60),
        Swarm::of6(fresh_hash(), 200, 20, 30),
    ];
    assert_counts_are_exact("ipv6", &trackers, swarms);
}

#[test]
fn both_families_of_one_host_are_probed() {
    needs_servers!();
    if netns::outside("trackers::both_families_of_one_host_are_probed") {
        return;
    }
    let npm = Npm::start_on_localhost();
    let hash = fresh_hash();
    Swarm::of(hash, 0, 3, 4).join(npm.http());
    Swarm::of6(hash, 1, 5, 6).join(npm.http6());
    for scheme in ["http", "udp"] {
        let tracker = format!("{scheme}://localhost:{}", npm.port());
        let url = format!("{tracker}/announce");
        let hex = Swarm::of(hash, 0, 0, 0).hex();
        let daemon = Daemon::start(&config(LAB, &[entry("dual", &hex, &[url])]));
        // Over UDP, the tracker of npm lists only IPv4 peers, to clients of both families.
        let ipv6_peers = if scheme == "http" { 11.0 } else { 0.0 };
        let page = daemon.wait_for_values(&[
            (
                r#"seedwatch_torrent_peers{torrent="dual",family="ipv4"}"#,
                Some(7.0),
            ),
            (
                r#"seedwatch_torrent_peers{torrent="dual",family="ipv6"}"#,
                Some(ipv6_peers),
            ),
        ]);
        assert_eq!(page.get("seedwatch_torrent_trackers"), Some(1.0));
        for family in ["ipv4", "ipv6"] {
            let up = format!("seedwatch_tracker_up{{tracker=\"{tracker}\",family=\"{family}\"}}");
            daemon.wait_for_values(&[(&up, Some(1.0))]);
        }
    }
}

#[test]
fn peers_of_several_trackers_are_united_by_address() {
    needs_servers!();
    let hash = fresh_hash();
    let opentracker = Opentracker::start(&[hash]);
    let npm = Npm::start();
    let aquatic = Aquatic::start();
    // Peers 0..50, 30..70 and 60..90: a sum would be 120, the largest list has 50.
    Swarm::of(hash, 0, 10, 40).join(opentracker.udp());
    Swarm::of(hash, 30, 20, 20).join(npm.http());
    Swarm::of(hash, 60, 5, 25).join(aquatic.udp());
    let trackers = [opentracker.udp(), npm.http(), aquatic.udp()];
    let urls: Vec<String> = trackers.iter().map(Endpoint::url).collect();
    let hex = Swarm::of(hash, 0, 0, 0).hex();
    let daemon = Daemon::start(&config(LAB, &[entry("union", &hex, &urls)]));
    let peers = |n: usize| {
        let label = trackers[n].label();
        format!("seedwatch_announce_peers{{torrent=\"union\",tracker=\"{label}\"}}")
    };
    daemon.wait_for_values(&[
        (r#"seedwatch_torrent_peers{family="ipv4"}"#, Some(90.0)),
        ("seedwatch_torrent_source_peers", Some(90.0)),
        (&peers(0), Some(50.0)),
        (&peers(1), Some(40.0)),
        (&peers(2), Some(30.0)),
        ("seedwatch_torrent_trackers_online", Some(3.0)),
        // The largest claims, of different trackers.
        ("seedwatch_torrent_seeders", Some(20.0)),
        ("seedwatch_torrent_leechers", Some(40.0)),
    ]);
}

#[test]
fn finished_downloads_are_reported() {
    needs_servers!();
    let hash = fresh_hash();
    let opentracker = Opentracker::start(&[hash]);
    let mut swarm = Swarm::of(hash, 0, 1, 3);
    swarm.join(opentracker.udp());
    swarm.complete_one(opentracker.udp());
    swarm.complete_one(opentracker.udp());
    let url = opentracker.udp().url();
    let daemon = Daemon::start(&config(LAB, &[entry("done", &swarm.hex(), &[url])]));
    daemon.wait_for_values(&[
        ("seedwatch_announce_completed", Some(2.0)),
        ("seedwatch_announce_seeders", Some(3.0)),
        ("seedwatch_announce_leechers", Some(1.0)),
    ]);
}

#[test]
fn an_empty_swarm_is_zero() {
    needs_servers!();
    let hash = fresh_hash();
    let opentracker = Opentracker::start(&[hash]);
    let npm = Npm::start();
    let aquatic = Aquatic::start();
    let trackers = [
        opentracker.udp(),
        opentracker.http(),
        npm.udp(),
        npm.http(),
        aquatic.udp(),
    ];
    let hex = Swarm::of(hash, 0, 0, 0).hex();
    for tracker in trackers {
        let daemon = Daemon::start(&config(LAB, &[entry("empty", &hex, &[tracker.url()])]));
        daemon.wait_for_values(&[
            (r#"seedwatch_torrent_peers{family="ipv4"}"#, Some(0.0)),
            ("seedwatch_torrent_seeders", Some(0.0)),
            ("seedwatch_torrent_leechers", Some(0.0)),
            ("seedwatch_announce_peers", Some(0.0)),
            ("seedwatch_announce_success", Some(1.0)),
            ("seedwatch_torrent_last_peer_seen_timestamp_seconds", None),
        ]);
    }
}

#[test]
fn real_clients_are_counted() {
    needs_servers!();
    let torrent = Torrent::make("watched-clients");
    let opentracker = Opentracker::start(&[torrent.hash]);
    let npm = Npm::start();
    let trackers = [opentracker.udp(), npm.http()];
    torrent.announce_at(&trackers);
    let seeders: Vec<IpAddr> = (1000..1003).map(address::peer).collect();
    let leechers: Vec<IpAddr> = (1003..1008).map(address::peer).collect();
    let _clients = Libtorrent::join_all(&torrent, &trackers, &seeders, &leechers);
    let _transmission = Transmission::seed(&torrent, address::peer(1008));
    let addresses: BTreeSet<&IpAddr> = seeders.iter().chain(&leechers).collect();
    let expected = (addresses.len() + 1) as f64;

    let entry = format!("- file: {}\n", torrent.file.display());
    let daemon = Daemon::start(&config(LAB, &[entry]));
    daemon.wait_for_values(&[
        (
            r#"seedwatch_torrent_peers{torrent="watched-clients",family="ipv4"}"#,
            Some(expected),
        ),
        ("seedwatch_torrent_seeders", Some(4.0)),
        ("seedwatch_torrent_leechers", Some(5.0)),
        ("seedwatch_torrent_trackers_online", Some(2.0)),
    ]);
}
