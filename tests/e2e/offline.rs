//! An outage of our own network changes nothing about any swarm.

use std::time::Duration;

use crate::rig::daemon::{Daemon, LAB, config, entry};
use crate::rig::exposition::Exposition;
use crate::rig::swarm::{Swarm, fresh_hash};
use crate::rig::trackers::Aquatic;
use crate::rig::{netns, wait};

const NETWORK: &str = r#"seedwatch_network_up{family="ipv4"}"#;
const PEERS: &str = r#"seedwatch_torrent_peers{torrent="watched",family="ipv4"}"#;

/// Checks that no failure counts against the tracker or the swarm.
fn assert_no_failure_counted(page: &Exposition) {
    assert_ne!(page.get("seedwatch_tracker_up"), Some(0.0), "{page}");
    assert_ne!(page.get("seedwatch_announce_success"), Some(0.0), "{page}");
    assert_ne!(
        page.get("seedwatch_torrent_probe_success"),
        Some(0.0),
        "{page}"
    );
    assert!(matches!(page.get(PEERS), Some(5.0) | None), "{page}");
}

#[test]
fn an_outage_of_our_network_counts_against_no_tracker() {
    needs_servers!();
    if netns::outside("offline::an_outage_of_our_network_counts_against_no_tracker") {
        return;
    }
    let tracker = Aquatic::start();
    let swarm = Swarm::of(fresh_hash(), 0, 2, 3);
    swarm.join(tracker.udp());
    let watched = [entry("watched", &swarm.hex(), &[tracker.udp().url()])];
    let daemon = Daemon::start(&config(LAB, &watched));
    daemon.wait_for_values(&[(PEERS, Some(5.0)), (NETWORK, Some(1.0))]);

    netns::cut();
    daemon.wait_within("the outage is seen", wait::PATIENCE, |page| {
        assert_no_failure_counted(page);
        page.get(NETWORK) == Some(0.0)
    });
    daemon.wait_for("values age out", |page| {
        assert_no_failure_counted(page);
        page.get(PEERS).is_none()
    });
    wait::throughout(Duration::from_secs(3), || {
        assert_no_failure_counted(&daemon.metrics())
    });

    netns::restore();
    let page = daemon.wait_within("the outage is over", wait::PATIENCE, |page| {
        assert_no_failure_counted(page);
        page.get(PEERS) == Some(5.0) && page.get(NETWORK) == Some(1.0)
    });
    assert_eq!(page.get("seedwatch_tracker_up"), Some(1.0), "{page}");
}

#[test]
fn a_live_canary_shows_that_a_tracker_is_down() {
    needs_servers!();
    if netns::outside("offline::a_live_canary_shows_that_a_tracker_is_down") {
        return;
    }
    // The canary uses another protocol than the one that is cut.
    let canary = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = canary.local_addr().unwrap();
    let tracker = Aquatic::start();
    let swarm = Swarm::of(fresh_hash(), 0, 2, 3);
    swarm.join(tracker.udp());
    let settings = LAB.replace("canaries: []", &format!("canaries: [\"{address}\"]"));
    let watched = [entry("watched", &swarm.hex(), &[tracker.udp().url()])];
    let daemon = Daemon::start(&config(&settings, &watched));
    daemon.wait_for_values(&[(PEERS, Some(5.0)), (NETWORK, Some(1.0))]);

    netns::cut();
    let page = daemon.wait_within("the tracker is down", wait::PATIENCE, |page| {
        page.get("seedwatch_tracker_up") == Some(0.0)
    });
    assert_eq!(page.get(NETWORK), Some(1.0), "{page}");
}
