//! Packet loss is not an outage.

use std::time::Duration;

use crate::rig::daemon::{Daemon, LAB, config, entry};
use crate::rig::swarm::{Swarm, fresh_hash};
use crate::rig::trackers::Aquatic;
use crate::rig::{netns, wait};

#[test]
fn ten_percent_loss_in_each_direction_makes_no_tracker_offline() {
    needs_servers!();
    if netns::outside("loss::ten_percent_loss_in_each_direction_makes_no_tracker_offline") {
        return;
    }
    let trackers: Vec<Aquatic> = (0..4).map(|_| Aquatic::start()).collect();
    let mut watched = Vec::new();
    for (tracker, first) in trackers.iter().zip((0..).step_by(100)) {
        for number in 0..25 {
            let swarm = Swarm::of(fresh_hash(), first + number, 1, 2);
            swarm.join(tracker.udp());
            let name = format!("swarm-{first}-{number}");
            watched.push(entry(&name, &swarm.hex(), &[tracker.udp().url()]));
        }
    }
    netns::lose_udp(10);
    let settings = LAB.replace(
        "timeout: 2s, stale_after: 5s",
        "timeout: 15s, stale_after: 75m",
    ) + "tracker: {max_rate: 1000/s}\n";
    let daemon = Daemon::start(&config(&settings, &watched));
    let no_tracker_is_down = || {
        let page = daemon.metrics();
        let down = page.select("seedwatch_tracker_up").any(|(_, up)| *up < 1.0);
        assert!(!down, "{page}");
        page
    };
    wait::until("every torrent has an answer", wait::PATIENCE, || {
        let page = no_tracker_is_down();
        let exact = page
            .select(r#"seedwatch_torrent_peers{family="ipv4"}"#)
            .filter(|(_, peers)| (*peers - 3.0).abs() < 0.5);
        (exact.count() == watched.len()).then_some(())
    });
    wait::throughout(Duration::from_secs(15), || {
        no_tracker_is_down();
    });
    let page = daemon.metrics();
    let probes = page.get("seedwatch_probe_duration_seconds_count");
    assert!(
        probes > Some(300.0),
        "too few probes to mean anything: {probes:?}"
    );
}
