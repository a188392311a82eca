//! A reload applies completely or not at all, at once, and without repeated probes.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::rig::daemon::{Daemon, ONCE, config, entry};
use crate::rig::scripted::{self, Truth, UdpRequest, UdpTracker};
use crate::rig::swarm::fresh_hash;
use crate::rig::wait;
use crate::rig::wire::hex;

fn tracker() -> UdpTracker {
    let truth = Truth::of(["127.60.3.1:6881".parse().unwrap()]);
    UdpTracker::start(move |packet| vec![scripted::honest(packet, &truth)])
}

fn announces(tracker: &UdpTracker) -> usize {
    let is_announce =
        |packet: &scripted::Packet| matches!(packet.request, UdpRequest::Announce { .. });
    tracker.received().iter().filter(|p| is_announce(p)).count()
}

fn peers(name: &str) -> String {
    format!("seedwatch_torrent_peers{{torrent=\"{name}\",family=\"ipv4\"}}")
}

#[test]
fn unchanged_torrents_are_not_probed_again() {
    let (old, new) = (tracker(), tracker());
    let kept = entry("kept", &hex(&fresh_hash()), &[old.endpoint().url()]);
    let removed = entry("removed", &hex(&fresh_hash()), &[old.endpoint().url()]);
    let added = entry("added", &hex(&fresh_hash()), &[new.endpoint().url()]);
    let daemon = Daemon::start(&config(ONCE, &[kept.clone(), removed]));
    daemon.wait_for_values(&[
        (&peers("kept"), Some(1.0)),
        (&peers("removed"), Some(1.0)),
        ("seedwatch_torrents", Some(2.0)),
    ]);
    let before = announces(&old);

    daemon.write_config(&config(ONCE, &[kept, added]));
    assert_eq!(daemon.reload().status, 200);
    // At once: the next scrape has no series of the removed torrent, and all series of the kept
    // one.
    let page = daemon.metrics();
    assert!(!page.text().contains("removed\""), "{page}");
    assert_eq!(page.get(&peers("kept")), Some(1.0), "{page}");
    assert_eq!(page.get("seedwatch_torrents"), Some(2.0));
    daemon.wait_for_values(&[(&peers("added"), Some(1.0))]);
    wait::throughout(Duration::from_secs(1), || {
        assert_eq!(announces(&old), before, "no tracker is announced to again");
    });
}

#[test]
fn an_invalid_configuration_changes_nothing() {
    let tracker = tracker();
    let watched = entry("watched", &hex(&fresh_hash()), &[tracker.endpoint().url()]);
    let daemon = Daemon::start(&config(ONCE, &[watched]));
    let loaded = "seedwatch_config_last_reload_success_timestamp_seconds";
    let page = daemon.wait_for_values(&[
        (&peers("watched"), Some(1.0)),
        ("seedwatch_config_last_reload_successful", Some(1.0)),
    ]);
    let at = page.get(loaded);

    let bad = entry("other", "not-a-hash", &[tracker.endpoint().url()]);
    daemon.write_config(&config(ONCE, &[bad]));
    let answer = daemon.reload();
    assert_eq!(answer.status, 500);
    let text = answer.text();
    assert!(
        text.contains("config.yaml") && text.contains('4'),
        "file and line: {text}"
    );
    let page = daemon.metrics();
    assert_eq!(
        page.get("seedwatch_config_last_reload_successful"),
        Some(0.0)
    );
    assert_eq!(page.get(loaded), at);
    assert_eq!(page.get(&peers("watched")), Some(1.0));
    assert_eq!(page.get("seedwatch_torrents"), Some(1.0));

    let good = entry("other", &hex(&fresh_hash()), &[tracker.endpoint().url()]);
    daemon.write_config(&config(ONCE, &[good]));
    assert_eq!(daemon.reload().status, 200);
    daemon.wait_for_values(&[
        ("seedwatch_config_last_reload_successful", Some(1.0)),
        (&peers("watched"), None),
        (&peers("other"), Some(1.0)),
    ]);
}

#[test]
fn a_hangup_signal_reloads() {
    let tracker = tracker();
    let url = tracker.endpoint().url();
    let first = entry("first", &hex(&fresh_hash()), std::slice::from_ref(&url));
    let daemon = Daemon::start(&config(ONCE, std::slice::from_ref(&first)));
    daemon.wait_for_values(&[(&peers("first"), Some(1.0))]);

    daemon.write_config("torrents: [");
    daemon.signal(Signal::SIGHUP);
    daemon.wait_for_values(&[
        ("seedwatch_config_last_reload_successful", Some(0.0)),
        (&peers("first"), Some(1.0)),
    ]);

    let second = entry("second", &hex(&fresh_hash()), &[url]);
    daemon.write_config(&config(ONCE, &[first, second]));
    daemon.signal(Signal::SIGHUP);
    daemon.wait_for_values(&[
        ("seedwatch_config_last_reload_successful", Some(1.0)),
        ("seedwatch_torrents", Some(2.0)),
        (&peers("first"), Some(1.0)),
        (&peers("second"), Some(1.0)),
    ]);
}

#[test]
fn a_reload_must_be_posted() {
    let daemon = Daemon::start(&config(ONCE, &[entry("a", &hex(&fresh_hash()), &[])]));
    assert_eq!(daemon.get("/-/reload").status, 405);
    assert_eq!(daemon.request("POST", "/metrics", &[]).status, 405);
    assert_eq!(daemon.get("/nowhere").status, 404);
}
