//! All trackers of one operator vanish, and the swarms live on in the DHT. On the same day
//! another tracker fails, and then our own network. There are three findings.

use super::alert_harness::{AlertHarness, DAY, HOUR};
use crate::rig::clients::Torrent;
use crate::rig::daemon::{LAB, config, entry};
use crate::rig::netns;
use crate::rig::sessions::Plan;
use crate::rig::swarm::{Swarm, fresh_hash};
use crate::rig::trackers::{Aquatic, Opentracker};
use crate::rig::wait;
use crate::rig::wire::Endpoint;

#[test]
fn all_trackers_of_an_operator_vanish() {
    needs_servers!();
    if netns::outside("stories::operator_outage::all_trackers_of_an_operator_vanish") {
        return;
    }
    // One torrent has only trackers of the operator, one also another tracker, and one
    // none of them. A fourth has few peers in any case.
    let torrents = ["only", "both", "neither"].map(Torrent::make);
    let [only, both, neither] = &torrents;
    let operator = Opentracker::start(&[only.hash, both.hash]);
    let (provider, third) = (Aquatic::start(), Aquatic::start());
    let plan = torrents.iter().fold(Plan::default(), |plan, torrent| {
        plan.torrent(torrent, 0..3, 3..6)
    });
    let sessions = plan.start(8);
    let swarm = |name: &str, swarm: &Swarm, trackers: &[Endpoint]| {
        trackers.iter().for_each(|tracker| swarm.join(*tracker));
        let urls: Vec<String> = trackers.iter().map(Endpoint::url).collect();
        entry(name, &swarm.hex(), &urls)
    };
    let large_swarm = |torrent: &Torrent, first| Swarm::of(torrent.hash, first, 5, 15);
    let operator_trackers = [operator.udp(), operator.http()];
    let entries = [
        swarm("only", &large_swarm(only, 7000), &operator_trackers),
        swarm(
            "both",
            &large_swarm(both, 7100),
            &[operator_trackers[0], operator_trackers[1], third.udp()],
        ),
        swarm(
            "neither",
            &large_swarm(neither, 7200),
            &[provider.udp(), third.udp()],
        ),
        swarm("rare", &Swarm::of(fresh_hash(), 7300, 1, 2), &[third.udp()]),
    ];
    let mut harness = AlertHarness::new();
    let daemon = harness.daemon(&config(&settings(&sessions.bootstrap()), &entries));
    let peers =
        |name: &str| format!("seedwatch_torrent_peers{{torrent=\"{name}\",family=\"ipv4\"}}");
    let online = |name: &str| format!("seedwatch_torrent_trackers_online{{torrent=\"{name}\"}}");
    let network = r#"seedwatch_network_up{family="ipv4"}"#;
    let wait_until_shown = |only: (f64, f64), both: (f64, f64), neither: (f64, f64)| {
        daemon.wait_for_values(&[
            (&online("only"), Some(only.0)),
            (&peers("only"), Some(only.1)),
            (&online("both"), Some(both.0)),
            (&peers("both"), Some(both.1)),
            (&online("neither"), Some(neither.0)),
            (&peers("neither"), Some(neither.1)),
            (network, Some(1.0)),
        ]);
    };

    // Six peers of each are in the DHT, twenty at its trackers.
    wait_until_shown((2.0, 26.0), (3.0, 26.0), (2.0, 26.0));
    harness.decide("rare", "at_risk", &["few_peers"]);
    harness.record(2 * DAY);

    // The operator vanishes. Peers that only its trackers knew are no longer visible.
    drop(operator);
    wait_until_shown((0.0, 6.0), (1.0, 26.0), (2.0, 26.0));
    harness.record(8 * HOUR);

    // The outage of the other tracker is not a problem of a torrent.
    let lost = provider.udp();
    drop(provider);
    wait_until_shown((0.0, 6.0), (1.0, 26.0), (1.0, 26.0));
    harness.record(7 * HOUR);
    let rare = ("warnings", "TorrentAtRisk rare");
    let trackerless = ("warnings", "TorrentTrackersAllDown only");
    let down = |tracker: Endpoint| format!("TrackerDown {}", tracker.label());
    let operator_trackers = operator_trackers.map(down);
    let operator_trackers = operator_trackers
        .each_ref()
        .map(|alert| ("warnings", alert.as_str()));
    let provider_down = down(lost);
    let provider_down = ("warnings", provider_down.as_str());
    harness.expect_alerts(&[
        rare,
        trackerless,
        operator_trackers[0],
        operator_trackers[1],
        provider_down,
    ]);

    // Our own network fails.
    netns::cut();
    harness.reset_alerts();
    daemon.wait_within("the outage is seen", wait::PATIENCE, |page| {
        page.get(network) == Some(0.0) && page.select("seedwatch_torrent_peers").next().is_none()
    });
    harness.record(HOUR);
    let offline = ("warnings", "SeedwatchOffline");
    let before = harness.wait_for_alert(offline.0, offline.1);
    let earlier = [
        offline.1,
        rare.1,
        trackerless.1,
        operator_trackers[0].1,
        operator_trackers[1].1,
        provider_down.1,
    ];
    let earlier = earlier.map(str::to_owned);
    assert!(before.is_subset(&earlier.into()), "{before:?}");
    // No other alert is notified. What was true before is still assumed, and inhibited.
    harness.wait_for_inhibited(rare.1);
    harness.wait_for_inhibited(trackerless.1);
    harness.expect_alerts(&[offline]);
}

/// Settings that use this DHT.
fn settings(bootstrap: &str) -> String {
    let dht = format!(
        "dht: {{listen: [\"127.0.0.1:0\"], bootstrap: [{bootstrap}], max_rate: 5000/s, \
         interval: 3s}}\nstate: {{path: \"\"}}"
    );
    LAB.replace("dht: {enabled: false}", &dht)
}
