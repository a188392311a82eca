//! An old release fades: its seeds leave, then its tracker dies. The owner is told before a reader
//! complains.

use super::stage::{DAY, HOUR, Stage};
use crate::rig::clients::Torrent;
use crate::rig::daemon::{Daemon, LAB, config, entry};
use crate::rig::sessions::Plan;
use crate::rig::swarm::{Swarm, fresh_hash};
use crate::rig::trackers::Opentracker;
use crate::rig::wire::hex;

#[test]
fn an_old_release_fades() {
    needs_servers!();
    // The release has a tracker of its own; the other torrent lives at another one and in the DHT.
    let healthy = Torrent::make("healthy");
    let release = fresh_hash();
    let (own, other) = (
        Opentracker::start(&[release]),
        Opentracker::start(&[healthy.hash]),
    );
    let sessions = Plan::default().torrent(&healthy, 0..3, 3..6).start(8);
    let beside = Swarm::of(healthy.hash, 6000, 10, 30);
    beside.join(other.udp());
    let downloaders = Swarm::of(release, 6100, 4, 33);
    let last = Swarm::of(release, 6200, 1, 2);
    downloaders.join(own.udp());
    last.join(own.udp());

    let dht = format!(
        "dht: {{listen: [\"127.0.0.1:0\"], bootstrap: [{}], max_rate: 5000/s, interval: 3s}}\n\
         state: {{path: \"\"}}",
        sessions.bootstrap()
    );
    let config = config(
        &LAB.replace("dht: {enabled: false}", &dht),
        &[
            entry("release", &hex(&release), &[own.udp().url()]),
            entry("healthy", &hex(&healthy.hash), &[other.udp().url()]),
        ],
    );
    let peers = r#"seedwatch_torrent_peers{torrent="release",family="ipv4"}"#;
    let beside = r#"seedwatch_torrent_peers{torrent="healthy",family="ipv4"}"#;
    let asked = r#"seedwatch_torrent_probe_success{torrent="release",source="dht"}"#;
    let wait_for = |daemon: &Daemon, count| {
        daemon.wait_for_values(&[
            (peers, Some(count)),
            (beside, Some(46.0)),
            (asked, Some(1.0)),
        ]);
    };
    let mut stage = Stage::new();

    // A month with forty peers.
    let daemon = stage.daemon(&config);
    wait_for(&daemon, 40.0);
    stage.stays(30 * DAY);

    // They leave, all but three. A daemon that starts now has not seen the others, as one that has
    // not seen them for a month.
    drop(daemon);
    downloaders.leave(own.udp());
    let daemon = stage.daemon(&config);
    wait_for(&daemon, 3.0);
    stage.stays(2 * DAY);
    let at_risk = ("warnings", "TorrentAtRisk release");
    stage.is_told(&[at_risk]);

    // The last ones leave.
    last.leave(own.udp());
    wait_for(&daemon, 0.0);
    stage.stays(2 * HOUR);
    let dead = ("pages", "TorrentDead release");
    stage.is_told(&[at_risk, dead]);
    assert_eq!(stage.order(), [at_risk.1, dead.1]);
    stage.closes();

    // The tracker dies. That nobody is there stays known, from the DHT.
    let tracker_down = format!("TrackerDown {}", own.udp().label());
    drop(own);
    daemon.wait_for_values(&[
        (
            r#"seedwatch_torrent_trackers_online{torrent="release"}"#,
            Some(0.0),
        ),
        (peers, Some(0.0)),
        (beside, Some(46.0)),
    ]);
    stage.stays(8 * HOUR);
    stage.is_told(&[dead, ("warnings", &tracker_down)]);
    stage.keeps_to_itself(at_risk.1);
}
