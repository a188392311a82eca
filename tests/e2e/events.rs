//! Events survive a kill, and are recorded once.

use std::fs;
use std::path::Path;

use nix::sys::signal::Signal;
use serde_json::Value;

use crate::rig::daemon::{Daemon, LAB, config, entry};
use crate::rig::exposition::Exposition;
use crate::rig::swarm::fresh_hash;
use crate::rig::wait;
use crate::rig::wire::hex;

/// Torrents that have nothing to ask, and so are unobserved at once.
const COUNT: usize = 20;
const SINCE: &str = r#"seedwatch_torrent_state_since_timestamp_seconds{torrent="lone-07"}"#;
const SAVED: &str = "seedwatch_state_last_save_timestamp_seconds";
/// Bytes of the file before its records, and of a record.
const HEAD: u64 = 18;
const RECORD: u64 = 31;

fn settings(state: &Path, interval: &str) -> String {
    let state = state.display();
    format!("{LAB}state: {{path: \"{state}\", interval: {interval}}}\n")
}

fn events(daemon: &Daemon, query: &str) -> Vec<Value> {
    let answer = daemon.get(&format!("/api/v1/events{query}"));
    let answer: Value = serde_json::from_str(&answer.text()).unwrap();
    answer["events"].as_array().unwrap().clone()
}

fn kill(mut daemon: Daemon) {
    daemon.signal(Signal::SIGKILL);
    daemon.wait_for_end();
}

/// Waits until every torrent is unobserved.
fn wait_for_states(daemon: &Daemon) {
    daemon.wait_for_values(&[(
        r#"seedwatch_torrents_by_state{state="unobserved"}"#,
        Some(COUNT as f64),
    )]);
}

/// Returns how many changes the log has, two snapshots from now: it lags behind the pages.
fn changes(daemon: &Daemon) -> usize {
    let taken = |page: &Exposition| page.get("seedwatch_snapshot_timestamp_seconds");
    let now = taken(&daemon.metrics()).unwrap();
    daemon.wait_for("snapshots", |page| taken(page) >= Some(now + 2.0));
    let log = daemon.log();
    log.matches("torrent state changed").count()
}

#[test]
fn events_survive_kills_and_damage_and_are_recorded_once() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let file = state.join("events.state");
    let hashes: Vec<_> = (0..COUNT).map(|_| hex(&fresh_hash())).collect();
    let entries = |name: &str| -> Vec<String> {
        let numbered = hashes.iter().enumerate();
        numbered
            .map(|(n, hash)| entry(&format!("{name}-{n:02}"), hash, &[]))
            .collect()
    };
    let start =
        |interval: &str| Daemon::start(&config(&settings(&state, interval), &entries("lone")));
    let length = || fs::metadata(&file).map_or(0, |metadata| metadata.len());
    let whole = HEAD + COUNT as u64 * RECORD;

    // Killed before any state is saved: the events are there, and are not recorded again.
    let daemon = start("1h");
    wait_for_states(&daemon);
    wait::until("written", wait::PATIENCE, || {
        (length() == whole).then_some(())
    });
    let first = events(&daemon, "");
    assert_eq!((first.len(), changes(&daemon)), (COUNT, COUNT));
    kill(daemon);
    let daemon = start("1h");
    wait_for_states(&daemon);
    assert_eq!((events(&daemon, ""), changes(&daemon)), (first.clone(), 0));
    kill(daemon);
    assert_eq!(length(), whole);

    // Killed after a save: the state and its age are kept as well.
    let daemon = start("1s");
    wait_for_states(&daemon);
    daemon.wait_for("saved", |page| page.get(SAVED).is_some());
    let since = daemon.metrics().get(SINCE);
    kill(daemon);
    let daemon = start("1s");
    let page = daemon.metrics();
    assert!(since.is_some() && page.get(SINCE) == since, "{page}");
    wait_for_states(&daemon);
    assert_eq!(daemon.metrics().get(SINCE), since);

    // The disk has hashes, and readers see names.
    daemon.write_config(&config(&settings(&state, "1s"), &entries("other")));
    assert_eq!(daemon.reload().status, 200);
    let named = events(&daemon, "?torrent=other-07");
    assert_eq!(
        (named.len(), &named[0]["infohash"]),
        (1, &hashes[7].as_str().into())
    );
    let bytes = fs::read(&file).unwrap();
    assert!(!bytes.windows(4).any(|part| part == b"lone"));
    kill(daemon);

    // A torn file costs its last event.
    fs::write(&file, &bytes[..bytes.len() - 3]).unwrap();
    let daemon = start("1s");
    let log = daemon.wait_for_log("events.state is truncated or damaged; it was quarantined");
    assert!(log.contains(&format!("kept={}", COUNT - 1)), "{log}");
    assert_eq!(events(&daemon, "").len(), COUNT - 1);
    let rest = whole - RECORD;
    wait::until("written again", wait::PATIENCE, || {
        (length() == rest).then_some(())
    });
    kill(daemon);

    // A foreign file costs all of them, and the daemon runs.
    fs::write(&file, "something else entirely").unwrap();
    let daemon = start("1s");
    daemon.wait_for_log("events.state was not written by seedwatch");
    assert_eq!(events(&daemon, ""), Vec::<Value>::new());
    wait_for_states(&daemon);
}
