//! Peers are still found in the DHT when every tracker is gone.

use super::settings;
use crate::rig::clients::Torrent;
use crate::rig::daemon::{Daemon, config, entry};
use crate::rig::sessions::Plan;
use crate::rig::swarm::Swarm;
use crate::rig::trackers::{Aquatic, Opentracker};
use crate::rig::wire::hex;

#[test]
fn peers_are_found_when_every_tracker_is_gone() {
    needs_servers!();
    let torrent = Torrent::make("trackerless");
    let sessions = Plan::default().torrent(&torrent, 0..3, 3..12).start(24);
    let (first, second) = (Opentracker::start(&[torrent.hash]), Aquatic::start());
    let swarm = Swarm::of(torrent.hash, 4000, 2, 5);
    swarm.join(first.udp());
    swarm.join(second.udp());
    let urls = [first.udp().url(), second.udp().url()];
    let daemon = Daemon::start(&config(
        &settings(&sessions, None),
        &[entry("trackerless", &hex(&torrent.hash), &urls)],
    ));
    let up = |tracker: &str| format!("seedwatch_tracker_up{{tracker=\"{tracker}\"}}");
    let up = [up(&first.udp().label()), up(&second.udp().label())];
    let dht = r#"seedwatch_torrent_source_peers{source="dht"}"#;
    let succeeded = r#"seedwatch_torrent_probe_success{source="dht"}"#;
    let peers = r#"seedwatch_torrent_peers{family="ipv4"}"#;
    daemon.wait_for_values(&[
        (&up[0], Some(1.0)),
        (&up[1], Some(1.0)),
        (peers, Some(19.0)),
        (dht, Some(12.0)),
    ]);
    drop((first, second));
    daemon.wait_for_values(&[
        (&up[0], Some(0.0)),
        (&up[1], Some(0.0)),
        (
            r#"seedwatch_torrent_probe_success{source="tracker"}"#,
            Some(0.0),
        ),
        (r#"seedwatch_torrent_source_peers{source="tracker"}"#, None),
        (succeeded, Some(1.0)),
        (dht, Some(12.0)),
        (peers, Some(12.0)),
        (r#"seedwatch_network_up{family="ipv4"}"#, Some(1.0)),
    ]);
}
