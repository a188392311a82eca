//! All trackers of one operator vanish, and the swarms live on in the DHT. On the same day
//! another tracker fails, and then our own network. There are three findings.

use super::alert_harness::{AlertHarness, DAY, HOUR};
use crate::rig::clients::Torrent;
use crate::rig::daemon::{Daemon, config, entry, settings_with_dht};
use crate::rig::netns;
use crate::rig::sessions::Plan;
use crate::rig::swarm::{Swarm, fresh_hash};
use crate::rig::trackers::{Aquatic, Opentracker};
use crate::rig::wait;
use crate::rig::wire::Endpoint;

const NETWORK: &str = r#"seedwatch_network_up{family="ipv4"}"#;

/// Alerts, after the receivers that they go to.
const RARE: (&str, &str) = ("warnings", "TorrentAtRisk rare");
const TRACKERLESS: (&str, &str) = ("warnings", "TorrentTrackersAllDown only");
const OFFLINE: (&str, &str) = ("warnings", "SeedwatchOffline");

#[test]
fn all_trackers_of_an_operator_vanish() {
    needs_servers!();
    if netns::outside("stories::operator_outage::all_trackers_of_an_operator_vanish") {
        return;
    }
    // One torrent has only trackers of the operator, one also another tracker, and one
    // none of them. A fourth has few peers in any case.
    let torrents = ["only", "both", "neither"].map(Torrent::make);
    let [only, both, _] = &torrents;
    let operator = Opentracker::start(&[only.hash, both.hash]);
    let (provider, third) = (Aquatic::start(), Aquatic::start());
    let plan = torrents.iter().fold(Plan::default(), |plan, torrent| {
        plan.torrent(torrent, 0..3, 3..6)
    });
    let sessions = plan.start(8);
    let operator_trackers = [operator.udp(), operator.http()];
    let entries = entries(&torrents, &operator_trackers, &provider, &third);
    let mut harness = AlertHarness::new();
    let daemon = harness.daemon(&config(
        &settings_with_dht(&sessions.bootstrap(), None),
        &entries,
    ));
    // Six peers of each are in the DHT, twenty at its trackers.
    wait_for_trackers_and_peers(&daemon, [(2.0, 26.0), (3.0, 26.0), (2.0, 26.0)]);
    harness.decide("rare", "at_risk", &["few_peers"]);
    harness.record(2 * DAY);

    // The operator vanishes. Peers that only its trackers knew are no longer visible.
    drop(operator);
    wait_for_trackers_and_peers(&daemon, [(0.0, 6.0), (1.0, 26.0), (2.0, 26.0)]);
    harness.record(8 * HOUR);

    // The outage of the other tracker is not a problem of a torrent.
    let lost = provider.udp();
    drop(provider);
    wait_for_trackers_and_peers(&daemon, [(0.0, 6.0), (1.0, 26.0), (1.0, 26.0)]);
    harness.record(7 * HOUR);
    let down = |tracker: Endpoint| format!("TrackerDown {}", tracker.label());
    let down = [operator_trackers[0], operator_trackers[1], lost].map(down);
    let down = down.each_ref().map(|alert| ("warnings", alert.as_str()));
    harness.expect_alerts(&[RARE, TRACKERLESS, down[0], down[1], down[2]]);

    // Our own network fails.
    netns::cut();
    harness.reset_alerts();
    daemon.wait_within("the outage is seen", wait::PATIENCE, |page| {
        page.get(NETWORK) == Some(0.0) && page.select("seedwatch_torrent_peers").next().is_none()
    });
    harness.record(HOUR);
    let before = harness.wait_for_alert(OFFLINE.0, OFFLINE.1);
    let earlier = [OFFLINE, RARE, TRACKERLESS, down[0], down[1], down[2]];
    let earlier = earlier.map(|(_, alert)| alert.to_owned());
    assert!(before.is_subset(&earlier.into()), "{before:?}");
    // No other alert is notified. What was true before is still assumed, and inhibited.
    harness.wait_for_inhibited(RARE.1);
    harness.wait_for_inhibited(TRACKERLESS.1);
    harness.expect_alerts(&[OFFLINE]);
}

/// Returns the entries of these torrents, and of one with few peers in any case. Their swarms join
/// the trackers.
fn entries(
    [only, both, neither]: &[Torrent; 3],
    operator: &[Endpoint; 2],
    provider: &Aquatic,
    third: &Aquatic,
) -> [String; 4] {
    let swarm = |name: &str, swarm: &Swarm, trackers: &[Endpoint]| {
        trackers.iter().for_each(|tracker| swarm.join(*tracker));
        let urls: Vec<String> = trackers.iter().map(Endpoint::url).collect();
        entry(name, &swarm.hex(), &urls)
    };
    let large = |torrent: &Torrent, first| Swarm::of(torrent.hash, first, 5, 15);
    let (provider, third) = (provider.udp(), third.udp());
    [
        swarm("only", &large(only, 7000), operator),
        swarm(
            "both",
            &large(both, 7100),
            &[operator[0], operator[1], third],
        ),
        swarm("neither", &large(neither, 7200), &[provider, third]),
        swarm("rare", &Swarm::of(fresh_hash(), 7300, 1, 2), &[third]),
    ]
}

/// Waits until the torrents `only`, `both` and `neither` have so many trackers that answer, and so
/// many peers.
fn wait_for_trackers_and_peers(daemon: &Daemon, expected: [(f64, f64); 3]) {
    let series = ["only", "both", "neither"].map(|name| {
        let online = format!("seedwatch_torrent_trackers_online{{torrent=\"{name}\"}}");
        let peers = format!("seedwatch_torrent_peers{{torrent=\"{name}\",family=\"ipv4\"}}");
        (online, peers)
    });
    let mut wanted = vec![(NETWORK, Some(1.0))];
    for ((online, peers), (trackers, count)) in series.iter().zip(expected) {
        wanted.push((online, Some(trackers)));
        wanted.push((peers, Some(count)));
    }
    daemon.wait_for_values(&wanted);
}
