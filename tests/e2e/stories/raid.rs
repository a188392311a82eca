//! A tracker operator is raided: all its trackers vanish, and the swarms live on in the DHT. On the
//! same day somebody else's tracker fails, and then our own network does. Three findings.

use std::time::Duration;

use super::stage::{DAY, HOUR, Stage};
use crate::rig::clients::Torrent;
use crate::rig::daemon::{LAB, config, entry};
use crate::rig::netns;
use crate::rig::sessions::Plan;
use crate::rig::swarm::{Swarm, fresh_hash};
use crate::rig::trackers::{Aquatic, Opentracker};
use crate::rig::wire::Endpoint;

#[test]
fn a_tracker_operator_is_raided() {
    needs_servers!();
    if netns::outside("stories::raid::a_tracker_operator_is_raided") {
        return;
    }
    // One torrent has trackers of the operator alone, one another tracker, too; one has nothing to do
    // with the operator. And one has few peers, whatever happens to others.
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
    let of = |torrent: &Torrent, first| Swarm::of(torrent.hash, first, 5, 15);
    let raided = [operator.udp(), operator.http()];
    let entries = [
        swarm("only", &of(only, 7000), &raided),
        swarm(
            "both",
            &of(both, 7100),
            &[raided[0], raided[1], third.udp()],
        ),
        swarm(
            "neither",
            &of(neither, 7200),
            &[provider.udp(), third.udp()],
        ),
        swarm("rare", &Swarm::of(fresh_hash(), 7300, 1, 2), &[third.udp()]),
    ];
    let mut stage = Stage::new();
    let daemon = stage.daemon(&config(&settings(&sessions.bootstrap()), &entries));
    let peers =
        |name: &str| format!("seedwatch_torrent_peers{{torrent=\"{name}\",family=\"ipv4\"}}");
    let online = |name: &str| format!("seedwatch_torrent_trackers_online{{torrent=\"{name}\"}}");
    let network = r#"seedwatch_network_up{family="ipv4"}"#;
    let show = |only: (f64, f64), both: (f64, f64), neither: (f64, f64)| {
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
    show((2.0, 26.0), (3.0, 26.0), (2.0, 26.0));
    stage.stays(2 * DAY);

    // The raid. Peers that only the operator knew are gone from sight.
    drop(operator);
    show((0.0, 6.0), (1.0, 26.0), (2.0, 26.0));
    stage.stays(8 * HOUR);

    // The provider's outage is another tracker's, and no torrent's.
    let lost = provider.udp();
    drop(provider);
    show((0.0, 6.0), (1.0, 26.0), (1.0, 26.0));
    stage.stays(7 * HOUR);
    let rare = ("warnings", "TorrentAtRisk rare");
    let trackerless = ("warnings", "TorrentTrackersAllDown only");
    let down = |tracker: Endpoint| format!("TrackerDown {}", tracker.label());
    let raided = raided.map(down);
    let raided = raided.each_ref().map(|alert| ("warnings", alert.as_str()));
    let provided = down(lost);
    let provided = ("warnings", provided.as_str());
    stage.is_told(&[rare, trackerless, raided[0], raided[1], provided]);

    // Our own network fails.
    netns::cut();
    stage.closes();
    daemon.wait_within("the outage is seen", Duration::from_secs(60), |page| {
        page.get(network) == Some(0.0) && page.select("seedwatch_torrent_peers").next().is_none()
    });
    stage.stays(HOUR);
    let offline = ("warnings", "SeedwatchOffline");
    let before = stage.is_told_at_last(offline.0, offline.1);
    let known = [offline.1, rare.1].map(str::to_owned);
    assert!(before.is_subset(&known.into()), "{before:?}");
    // That is all there is to say. What else may still be true is left unsaid.
    stage.keeps_to_itself(rare.1);
    stage.is_told(&[offline]);
}

/// A lab with this DHT.
fn settings(bootstrap: &str) -> String {
    let dht = format!(
        "dht: {{listen: [\"127.0.0.1:0\"], bootstrap: [{bootstrap}], max_rate: 5000/s, \
         interval: 3s}}\nstate: {{path: \"\"}}"
    );
    LAB.replace("dht: {enabled: false}", &dht)
}
