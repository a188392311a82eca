//! An old release loses its seeders, then its tracker dies. The owner is notified before a reader
//! complains.

use super::alert_harness::{AlertHarness, DAY, HOUR};
use super::server::TIMEOUT;
use crate::rig::clients::Torrent;
use crate::rig::daemon::{Daemon, config, entry, settings_with_dht};
use crate::rig::sessions::Plan;
use crate::rig::swarm::{Swarm, fresh_hash};
use crate::rig::trackers::Opentracker;
use crate::rig::wait;
use crate::rig::wire::hex;

const PEERS: &str = r#"seedwatch_torrent_peers{torrent="release",family="ipv4"}"#;
const HEALTHY_PEERS: &str = r#"seedwatch_torrent_peers{torrent="healthy",family="ipv4"}"#;
const TRACKERS_ONLINE: &str = r#"seedwatch_torrent_trackers_online{torrent="release"}"#;
const DHT_SUCCESS: &str = r#"seedwatch_torrent_probe_success{torrent="release",source="dht"}"#;

#[test]
fn an_old_release_loses_its_seeders() {
    needs_servers!();
    // The release has a tracker of its own. The other torrent uses another tracker and the DHT.
    let healthy = Torrent::make("healthy");
    let release = fresh_hash();
    let own = Opentracker::start(&[release]);
    let other = Opentracker::start(&[healthy.hash]);
    let sessions = Plan::default().torrent(&healthy, 0..3, 3..6).start(8);
    Swarm::of(healthy.hash, 6000, 10, 30).join(other.udp());
    let downloaders = Swarm::of(release, 6100, 4, 33);
    let last = Swarm::of(release, 6200, 1, 2);
    downloaders.join(own.udp());
    last.join(own.udp());

    let entries = [
        entry("release", &hex(&release), &[own.udp().url()]),
        entry("healthy", &hex(&healthy.hash), &[other.udp().url()]),
    ];
    let settings = settings_with_dht(&sessions.bootstrap(), None);
    let config = config(&settings, &entries);
    let mut harness = AlertHarness::new();

    // A month with forty peers.
    let daemon = harness.daemon(&config);
    wait_for_peers(&daemon, 40.0);
    harness.record(30 * DAY);

    // All but three leave. A new daemon does not remember the others, like one that has not seen
    // them for a month.
    drop(daemon);
    downloaders.leave(own.udp());
    let daemon = harness.daemon(&config);
    wait_for_peers(&daemon, 3.0);
    harness.decide("release", "at_risk", &["few_peers"]);
    harness.record(2 * DAY);
    let at_risk = ("warnings", "TorrentAtRisk release");
    harness.expect_alerts(&[at_risk]);

    // The last peers leave.
    last.leave(own.udp());
    wait_for_peers(&daemon, 0.0);
    wait_for_first_empty_round(&daemon);
    harness.decide("release", "dead", &[]);
    harness.record(2 * HOUR);
    let dead = ("pages", "TorrentDead release");
    harness.expect_alerts(&[at_risk, dead]);
    assert_eq!(harness.order(), [at_risk.1, dead.1]);
    harness.reset_alerts();

    // The tracker dies. From the DHT it is still known that the swarm is empty.
    let tracker_down = format!("TrackerDown {}", own.udp().label());
    drop(own);
    daemon.wait_for_values(&[
        (TRACKERS_ONLINE, Some(0.0)),
        (PEERS, Some(0.0)),
        (HEALTHY_PEERS, Some(46.0)),
    ]);
    harness.record(8 * HOUR);
    harness.expect_alerts(&[dead, ("warnings", &tracker_down)]);
}

/// Waits until the release has so many peers, and the other torrent all of its own.
fn wait_for_peers(daemon: &Daemon, count: f64) {
    daemon.wait_for_values(&[
        (PEERS, Some(count)),
        (HEALTHY_PEERS, Some(46.0)),
        (DHT_SUCCESS, Some(1.0)),
    ]);
}

/// Waits until nothing but time is missing for the release to be dead.
fn wait_for_first_empty_round(daemon: &Daemon) {
    let said = || daemon.get("/api/v1/torrents/release").text();
    let is_empty = || said().contains(r#""empty_recently""#).then_some(());
    let waits = wait::until_or_none(TIMEOUT, is_empty);
    assert!(waits.is_some(), "{}", said());
}
