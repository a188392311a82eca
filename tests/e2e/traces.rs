//! One second after a probe, a second client finds no entry of the daemon at the tracker.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::rig::daemon::{BINARY, Daemon, ONCE, config, entry};
use crate::rig::process::Process;
use crate::rig::scripted::{Truth, UdpRequest, UdpTracker, honest};
use crate::rig::swarm::{Swarm, fresh_hash};
use crate::rig::trackers::{Aquatic, Npm, Opentracker};
use crate::rig::wire::{self, Counts, Endpoint, hex};
use crate::rig::{netns, wait};

/// Events of announces (BEP 15).
const STARTED: u32 = 2;
const STOPPED: u32 = 3;

/// Probes once with each strategy and checks what the tracker stores afterwards.
fn assert_no_entry_stays(tracker: Endpoint, swarm: &Swarm) {
    swarm.join(tracker);
    for strategy in ["ghost", "brief"] {
        let settings = format!("{ONCE}tracker: {{announce: {strategy}}}\n");
        let watched = [entry("watched", &swarm.hex(), &[tracker.url()])];
        let daemon = Daemon::start(&config(&settings, &watched));
        let expected = swarm.all().count() as f64;
        daemon.wait_for_values(&[("seedwatch_announce_peers", Some(expected))]);
        // The entry must not return, so this waits for the whole second.
        wait::throughout(Duration::from_secs(1), || {});
        assert_eq!(
            wire::peers(tracker, &swarm.hash),
            swarm.endpoints(),
            "{strategy} at {tracker:?}"
        );
        let Counts {
            seeders, leechers, ..
        } = wire::scrape(tracker, &swarm.hash);
        assert_eq!(
            (seeders as usize, leechers as usize),
            (swarm.seeders.len(), swarm.leechers.len()),
            "{strategy} at {tracker:?}"
        );
    }
}

#[test]
fn opentracker_keeps_no_entry_over_udp() {
    needs_servers!();
    let hash = fresh_hash();
    let tracker = Opentracker::start(&[hash]);
    assert_no_entry_stays(tracker.udp(), &Swarm::of(hash, 2000, 4, 5));
}

#[test]
fn opentracker_keeps_no_entry_over_http() {
    needs_servers!();
    let hash = fresh_hash();
    let tracker = Opentracker::start(&[hash]);
    assert_no_entry_stays(tracker.http(), &Swarm::of(hash, 2000, 4, 5));
}

#[test]
fn npm_keeps_no_entry_over_udp() {
    needs_servers!();
    let tracker = Npm::start();
    assert_no_entry_stays(tracker.udp(), &Swarm::of(fresh_hash(), 2000, 4, 5));
}

#[test]
fn npm_keeps_no_entry_over_http() {
    needs_servers!();
    let tracker = Npm::start();
    assert_no_entry_stays(tracker.http(), &Swarm::of(fresh_hash(), 2000, 4, 5));
}

#[test]
fn aquatic_keeps_no_entry() {
    needs_servers!();
    let tracker = Aquatic::start();
    assert_no_entry_stays(tracker.udp(), &Swarm::of(fresh_hash(), 2000, 4, 5));
}

#[test]
fn aquatic_keeps_no_entry_over_ipv6() {
    needs_servers!();
    if netns::outside("traces::aquatic_keeps_no_entry_over_ipv6") {
        return;
    }
    let tracker = Aquatic::start_on("::1".parse().unwrap());
    assert_no_entry_stays(tracker.udp(), &Swarm::of6(fresh_hash(), 1, 4, 5));
}

#[test]
fn a_daemon_that_only_scrapes_never_announces() {
    needs_servers!();
    let hash = fresh_hash();
    let opentracker = Opentracker::start(&[hash]);
    let npm = Npm::start();
    let aquatic = Aquatic::start();
    for tracker in [
        opentracker.udp(),
        opentracker.http(),
        npm.udp(),
        npm.http(),
        aquatic.udp(),
    ] {
        let swarm = Swarm::of(hash, 2000, 4, 5);
        swarm.join(tracker);
        let settings = format!("{ONCE}tracker: {{announce: scrape}}\n");
        let watched = [entry("watched", &swarm.hex(), &[tracker.url()])];
        let daemon = Daemon::start(&config(&settings, &watched));
        daemon.wait_for_values(&[
            ("seedwatch_torrent_seeders", Some(4.0)),
            ("seedwatch_torrent_leechers", Some(5.0)),
            ("seedwatch_announce_success", Some(1.0)),
            // Scrapes return counts; peers stay unknown.
            (r#"seedwatch_torrent_peers{family="ipv4"}"#, None),
            ("seedwatch_announce_peers", None),
        ]);
        assert_eq!(wire::peers(tracker, &hash), swarm.endpoints());
        swarm.leave(tracker);
    }
}

fn events(tracker: &UdpTracker) -> Vec<u32> {
    let received = tracker.received().into_iter();
    let event = received.map(|packet| match packet.request {
        UdpRequest::Announce { event, .. } => Some(event),
        _ => None,
    });
    event.flatten().collect()
}

#[test]
fn a_terminated_probe_withdraws_its_announces() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let tracker = UdpTracker::start(|packet| match packet.request {
            UdpRequest::Announce { event: STARTED, .. } => vec![],
            _ => vec![honest(packet, &Truth::default())],
        });
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.yaml");
        let settings = format!("{ONCE}tracker: {{announce: brief}}\n");
        let watched = [entry(
            "it",
            &hex(&fresh_hash()),
            &[tracker.endpoint().url()],
        )];
        std::fs::write(&file, config(&settings, &watched)).unwrap();
        let command = [
            BINARY,
            "--config.file",
            file.to_str().unwrap(),
            "probe",
            "it",
        ];
        let mut probe = Process::start("seedwatch probe", &command);
        wait::until("the probe has announced `started`", wait::PATIENCE, || {
            events(&tracker).contains(&STARTED).then_some(())
        });
        probe.signal(signal);
        // Not 0, which says that the torrent is alive.
        assert_eq!(probe.wait_for_end().code(), Some(4), "{}", probe.log());
        assert_eq!(events(&tracker).last(), Some(&STOPPED));
    }
}
