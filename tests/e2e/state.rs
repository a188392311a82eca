//! What survives a restart, a kill, a full disk and unusable files.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::rig::clients::{Libtorrent, Torrent};
use crate::rig::daemon::{BINARY, Daemon, LAB, config, entry};
use crate::rig::exposition::Exposition;
use crate::rig::process::Process;
use crate::rig::scripted::{self, Truth, UdpTracker};
use crate::rig::swarm::{Swarm, fresh_hash};
use crate::rig::trackers::Opentracker;
use crate::rig::wire::hex;
use crate::rig::{address, netns, wait};

/// Time of the last save.
const LAST_SAVE: &str = "seedwatch_state_last_save_timestamp_seconds";
const FAILURES: &str = "seedwatch_state_save_failures_total";
const LAST_PEER: &str = "seedwatch_torrent_last_peer_seen_timestamp_seconds";
const LAST_SUCCESS: &str = r#"seedwatch_torrent_last_success_timestamp_seconds{source="tracker"}"#;
const UNIQUE: &str = r#"seedwatch_torrent_unique_peers{window="30d"}"#;

/// Settings with a state directory that is saved every second.
fn settings_with_state(folder: &Path) -> String {
    format!(
        "{LAB}state: {{path: \"{}\", interval: 1s}}\n",
        folder.display()
    )
}

/// Waits until the current data is saved.
fn wait_for_save(daemon: &Daemon) {
    let now = std::time::SystemTime::now();
    let now = now.duration_since(std::time::UNIX_EPOCH).unwrap();
    daemon.wait_for("saved", |page| {
        page.get(LAST_SAVE).is_some_and(|at| at > now.as_secs_f64())
    });
}

fn terminate(mut daemon: Daemon) {
    daemon.signal(Signal::SIGTERM);
    assert_eq!(daemon.wait_for_end(), Some(0));
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .map(|name| match name.split_once(".bad-") {
            Some((section, _)) => format!("{section}.bad"),
            None => name,
        })
        .collect();
    names.sort();
    names
}

fn lines<'a>(log: &'a str, needle: &str) -> Vec<&'a str> {
    log.lines().filter(|line| line.contains(needle)).collect()
}

/// Returns whether all windows of a metric have this value.
fn has_windows(page: &Exposition, metric: &str, count: f64) -> bool {
    ["1d", "7d", "30d"].iter().all(|window| {
        let with = match metric.contains('{') {
            true => metric.replace('}', &format!(",window=\"{window}\"}}")),
            false => format!("{metric}{{window=\"{window}\"}}"),
        };
        page.get(&format!("seedwatch_{with}")) == Some(count)
    })
}

/// Returns whether everything that counts unique peers counts as many.
fn knows_peers(page: &Exposition, count: f64) -> bool {
    [
        "torrent_unique_peers",
        r#"torrent_source_unique_peers{source="tracker"}"#,
        "collection_unique_peers",
        "unique_peers",
    ]
    .iter()
    .all(|metric| has_windows(page, metric, count))
}

/// Checks a page that shows saved data only. Returns when a peer was last seen, and when the last
/// probe succeeded.
fn assert_saved_data(page: &Exposition, count: f64) -> (Option<f64>, Option<f64>) {
    assert!(knows_peers(page, count), "{page}");
    let (seen, success) = (page.get(LAST_PEER), page.get(LAST_SUCCESS));
    assert!(seen.is_some() && success >= seen, "{page}");
    // These series need a current answer.
    for series in [
        "seedwatch_torrent_peers",
        "seedwatch_torrent_trackers_online",
    ] {
        assert_eq!(page.select(series).count(), 0, "{page}");
    }
    (seen, success)
}

#[test]
fn peers_are_remembered_after_a_restart_and_after_a_kill() {
    needs_servers!();
    let torrent = Torrent::make("kept");
    let tracker = Opentracker::start(&[torrent.hash]);
    let url = tracker.udp().url();
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let watched = [
        entry("kept", &hex(&torrent.hash), std::slice::from_ref(&url))
            .replace("{name", "{collection: work, name"),
    ];
    let config = config(&settings_with_state(&state), &watched);
    let peers: Vec<_> = (0..3).map(address::peer).collect();
    let clients = Libtorrent::join_all(&torrent, &[tracker.udp()], &peers[..1], &peers[1..]);
    let daemon = Daemon::start(&config);
    daemon.wait_for("three peers", |page| knows_peers(page, 3.0));
    terminate(daemon);
    drop(clients);
    let at = tracker.udp();
    drop(tracker);

    // The tracker is gone, and the daemon shows the saved data at once.
    let daemon = Daemon::start(&config);
    let (seen, success) = assert_saved_data(&daemon.metrics(), 3.0);
    let label = at.label();
    let up = format!("seedwatch_tracker_up{{tracker=\"{label}\",family=\"ipv4\"}}");
    let page = daemon.wait_for("down", |page| page.get(&up) == Some(0.0));
    assert_eq!(
        (page.get(LAST_PEER), page.get(LAST_SUCCESS)),
        (seen, success)
    );
    assert!(knows_peers(&page, 3.0), "{page}");
    wait_for_save(&daemon);
    drop(daemon);

    // The tracker was down before, so one failure suffices to report it.
    let daemon = Daemon::start(&config);
    let page = daemon.wait_for("still down", |page| page.get(&up) == Some(0.0));
    let failures = format!("seedwatch_tracker_failures_total{{tracker=\"{label}\"}}");
    let failures: f64 = page.select(&failures).map(|(_, count)| count).sum();
    assert!(failures < 1.5, "{page}");
    drop(daemon);

    // Another tracker with another peer; the daemon is killed after a save.
    let swarm = Swarm::of(torrent.hash, 50, 1, 0);
    let tracker = Opentracker::start_at(url_address(&url), &[torrent.hash]);
    swarm.join(tracker.udp());
    let daemon = Daemon::start(&config);
    let page = daemon.wait_for("a fourth peer", |page| knows_peers(page, 4.0));
    let seen = page.get(LAST_PEER);
    wait_for_save(&daemon);
    daemon.signal(Signal::SIGKILL);
    drop(daemon);
    drop(tracker);
    let daemon = Daemon::start(&config);
    let page = daemon.metrics();
    assert!(knows_peers(&page, 4.0), "{page}");
    assert!(page.get(LAST_PEER) >= seen, "{page}");
    assert_eq!(lines(&daemon.log(), "quarantined"), [""; 0]);
}

fn url_address(url: &str) -> std::net::SocketAddr {
    let address = url.trim_start_matches("udp://");
    address.split('/').next().unwrap().parse().unwrap()
}

/// A tracker with five peers, and a saved state.
struct SavedState {
    _tracker: UdpTracker,
    folder: TempDir,
    entries: [String; 1],
}

impl SavedState {
    fn new() -> Self {
        let peers = (1..6).map(|n| format!("127.60.0.{n}:6881").parse().unwrap());
        let truth = Truth::of(peers);
        let tracker = UdpTracker::start(move |packet| vec![scripted::honest(packet, &truth)]);
        let url = tracker.endpoint().url();
        let saved = Self {
            _tracker: tracker,
            folder: tempfile::tempdir().unwrap(),
            entries: [entry("five", &hex(&fresh_hash()), &[url])],
        };
        let daemon = saved.start();
        daemon.wait_for_values(&[(UNIQUE, Some(5.0))]);
        terminate(daemon);
        saved
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn start(&self) -> Daemon {
        Daemon::start(&config(&settings_with_state(&self.state()), &self.entries))
    }
}

#[test]
fn unusable_files_are_quarantined_and_reported() {
    let saved = SavedState::new();
    let state = saved.state();
    let all = [
        "cliffs-1-0.state",
        "key.state",
        "shared-1-0.state",
        "torrents-1-0.state",
        "trackers.state",
    ];
    assert_eq!(names(&state), all);
    let whole = fs::read(state.join("torrents-1-0.state")).unwrap();
    fs::write(state.join("torrents-1-0.state"), &whole[..whole.len() - 5]).unwrap();
    fs::write(state.join("trackers.state"), "something else entirely").unwrap();
    fs::remove_file(state.join("shared-1-0.state")).unwrap();
    fs::create_dir(state.join("shared-1-0.state")).unwrap();
    let daemon = saved.start();
    daemon.wait_for_values(&[(UNIQUE, Some(5.0)), (FAILURES, Some(0.0))]);
    wait_for_save(&daemon);
    let log = daemon.wait_for_log("quarantined");
    let reported = lines(&log, "quarantined");
    assert_eq!(reported.len(), 1, "{log}");
    assert!(
        reported[0].contains("level=warn") && reported[0].contains("files=3"),
        "{log}"
    );
    assert!(
        reported[0].contains("trackers.state was not written by seedwatch"),
        "{log}"
    );
    terminate(daemon);
    let with = |quarantined: &[&str]| {
        let mut names: Vec<String> = all
            .iter()
            .chain(quarantined)
            .map(|&name| name.into())
            .collect();
        names.sort();
        names
    };
    let new = [
        "shared-1-0.bad",
        "lost.state",
        "torrents-1-0.bad",
        "trackers.bad",
    ];
    assert_eq!(names(&state), with(&new));

    // Without the key, the other files are unusable. This is also one log line.
    let key = fs::read(state.join("key.state")).unwrap();
    fs::write(state.join("key.state"), &key[..20]).unwrap();
    let daemon = saved.start();
    daemon.wait_for_values(&[(UNIQUE, Some(5.0))]);
    wait_for_save(&daemon);
    let log = daemon.wait_for_log("cannot be used without their key");
    assert_eq!(
        lines(&log, "key.state is truncated or damaged").len(),
        1,
        "{log}"
    );
    assert_eq!(
        lines(&log, "cannot be used without their key").len(),
        1,
        "{log}"
    );
    assert_eq!(lines(&log, "level=warn").len(), 2, "{log}");
    let new = fs::read(state.join("key.state")).unwrap();
    assert!(new != key && new.len() == key.len());
    terminate(daemon);
    let daemon = saved.start();
    assert_eq!(daemon.metrics().get(UNIQUE), Some(5.0));
    assert_eq!(lines(&daemon.log(), "level=warn"), [""; 0]);
}

/// Waits for this many failed saves. Returns the only log line about them.
fn wait_for_failed_saves(daemon: &Daemon, count: f64) -> String {
    daemon.wait_for("failures", |page| page.get(FAILURES) >= Some(count));
    let log = daemon.wait_for_log("the state is not saved");
    let reported = lines(&log, "the state is not saved");
    assert_eq!(reported.len(), 1, "{log}");
    reported[0].to_owned()
}

#[test]
fn a_full_or_read_only_disk_is_reported_once() {
    needs_servers!();
    if netns::outside("state::a_full_or_read_only_disk_is_reported_once") {
        return;
    }
    let saved = SavedState::new();
    let state = saved.state();
    let mount_point = state.display();
    // The saved files, on a small disk.
    let copies: Vec<(PathBuf, Vec<u8>)> = fs::read_dir(&state)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    netns::run(&format!("mount -t tmpfs -o size=64k tmpfs {mount_point}"));
    for (path, bytes) in copies {
        fs::write(path, bytes).unwrap();
    }
    let daemon = saved.start();
    assert_eq!(daemon.metrics().get(UNIQUE), Some(5.0));
    wait_for_save(&daemon);
    let filler = state.join("filler");
    while fs::OpenOptions::new()
        .append(true)
        .create(true)
        .open(&filler)
        .and_then(|mut file| std::io::Write::write_all(&mut file, &[1; 1024]))
        .is_ok()
    {}
    let reported = wait_for_failed_saves(&daemon, 3.0);
    assert!(reported.contains("No space left on device"), "{reported}");
    fs::remove_file(&filler).unwrap();
    wait_for_save(&daemon);
    let log = daemon.wait_for_log("the state is saved again");
    assert_eq!(lines(&log, "the state is saved again").len(), 1);
    terminate(daemon);

    netns::run(&format!("mount -o remount,ro {mount_point}"));
    let daemon = saved.start();
    // The state can be read.
    assert_eq!(daemon.metrics().get(UNIQUE), Some(5.0));
    let reported = wait_for_failed_saves(&daemon, 3.0);
    assert!(reported.contains("Read-only file system"), "{reported}");
    netns::run(&format!("mount -o remount,rw {mount_point}"));
    wait_for_save(&daemon);
    terminate(daemon);
}

#[test]
fn an_invalid_state_directory_does_not_stop_the_daemon() {
    let saved = SavedState::new();
    let state = saved.state();
    let elsewhere = saved.folder.path().join("elsewhere");
    fs::rename(&state, &elsewhere).unwrap();
    fs::write(&state, "in the way").unwrap();
    let daemon = saved.start();
    daemon.wait_for_values(&[(UNIQUE, Some(5.0)), (LAST_SAVE, None)]);
    let reported = wait_for_failed_saves(&daemon, 3.0);
    assert!(reported.contains("state cannot be used"), "{reported}");
    // The real directory appears later. The daemon must not overwrite it.
    fs::remove_file(&state).unwrap();
    fs::rename(&elsewhere, &state).unwrap();
    let before = fs::read(state.join("torrents-1-0.state")).unwrap();
    wait::until("another line", wait::PATIENCE, || {
        (lines(&daemon.log(), "restart to use it").len() == 1).then_some(())
    });
    terminate(daemon);
    assert_eq!(fs::read(state.join("torrents-1-0.state")).unwrap(), before);

    // The directory disappears under a running daemon.
    let daemon = saved.start();
    assert_eq!(daemon.metrics().get(UNIQUE), Some(5.0));
    fs::remove_dir_all(&state).unwrap();
    wait_for_save(&daemon);
    terminate(daemon);
    assert_eq!(saved.start().metrics().get(UNIQUE), Some(5.0));
}

#[test]
fn two_daemons_cannot_share_a_directory() {
    let saved = SavedState::new();
    let first = saved.start();
    let file = saved.folder.path().join("second.yaml");
    fs::write(
        &file,
        config(&settings_with_state(&saved.state()), &saved.entries),
    )
    .unwrap();
    let mut second = Process::start(
        "the second",
        &[
            BINARY,
            "--config.file",
            file.to_str().unwrap(),
            "--web.listen-address",
            "127.0.0.1:0",
        ],
    );
    assert_eq!(second.wait_for_end().code(), Some(1));
    let reported = second.log();
    assert!(reported.contains("state.path"), "{reported}");
    assert!(reported.contains("in use by another process"), "{reported}");
    // Nothing is lost, and the directory is free once the first daemon has ended.
    wait_for_save(&first);
    terminate(first);
    terminate(saved.start());
}

#[test]
fn without_a_state_directory_nothing_is_saved() {
    let saved = SavedState::new();
    let settings = format!("{LAB}state: {{path: \"\", interval: 1s}}\n");
    let daemon = Daemon::start(&config(&settings, &saved.entries));
    daemon.wait_for_values(&[(UNIQUE, Some(5.0))]);
    wait::throughout(Duration::from_secs(3), || {
        let page = daemon.metrics();
        assert_eq!((page.get(LAST_SAVE), page.get(FAILURES)), (None, None));
    });
}

#[test]
fn another_directory_takes_effect_with_a_restart() {
    let saved = SavedState::new();
    let daemon = saved.start();
    let (in_use, other) = (saved.state(), saved.folder.path().join("state9"));
    let rewrite = |state: &Path| {
        let text = config(&settings_with_state(state), &saved.entries);
        daemon.write_config(&text);
        assert_eq!(daemon.reload().status, 200);
        String::from_utf8(daemon.get("/config").body).unwrap()
    };
    let warnings = || lines(&daemon.log(), "state.path changes with a restart only").len();
    // Warned of at each reload that names another directory, and shown is the one in use.
    for expected in 1..=2 {
        let shown = rewrite(&other);
        assert!(shown.contains(in_use.to_str().unwrap()), "{shown}");
        assert!(!shown.contains("state9"), "{shown}");
        daemon.wait_for_log(&format!("configured={}", other.display()));
        wait::until("the warning", wait::PATIENCE, || {
            (warnings() == expected).then_some(())
        });
    }
    rewrite(&in_use);
    assert_eq!(warnings(), 2, "nothing is pending");
    // The peer id lasts as long as the process.
    let settings = format!(
        "{}tracker: {{peer_id_prefix: -XX0000-}}\n",
        settings_with_state(&in_use)
    );
    daemon.write_config(&config(&settings, &saved.entries));
    assert_eq!(daemon.reload().status, 200);
    daemon.wait_for_log("tracker.peer_id_prefix changes with a restart only");
    assert!(!daemon.get("/config").text().contains("-XX0000-"));
    assert!(!other.exists());
}
