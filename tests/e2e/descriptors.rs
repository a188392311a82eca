//! A lack of our own file descriptors is not a tracker failure.

use crate::rig::daemon::{BINARY, Daemon, LAB, config, entry};
use crate::rig::scripted::{HttpTracker, Reply};
use crate::rig::swarm::fresh_hash;
use crate::rig::wait;
use crate::rig::wire::hex;

/// Enough descriptors to start, and too few to query a name server.
#[test]
fn a_resolution_that_lacks_descriptors_is_reported_as_a_local_failure() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    let url = "http://tracker.invalid.example/announce".to_owned();
    let torrent = entry("t", &hex(&fresh_hash()), &[url]);
    std::fs::write(&file, config(LAB, &[torrent])).unwrap();
    let is_reported = (16..40).any(|files| {
        let output = std::process::Command::new("prlimit")
            .arg(format!("--nofile={files}"))
            .arg(BINARY)
            .arg("--config.file")
            .arg(&file)
            .args(["probe", "t"])
            .output()
            .unwrap();
        let trace = String::from_utf8_lossy(&output.stdout);
        assert!(
            !trace.contains("name servers cannot be asked"),
            "{files}: {trace}"
        );
        trace.contains("this machine lacks resources: too many open files")
    });
    assert!(is_reported);
}

#[test]
fn probes_without_descriptors_do_not_count_against_trackers() {
    // Each probe needs a connection of its own.
    let tracker = HttpTracker::start(|request| {
        let head = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
        let body: &[u8] = match request.target.contains("/scrape") {
            true => b"d5:filesdee",
            false => b"d8:completei1e10:incompletei0e5:peers6:\x51\x02\x03\x04\x1a\xe1e",
        };
        Reply::raw([head.as_bytes(), body].concat())
    });
    let torrent = entry("t", &hex(&fresh_hash()), &[tracker.endpoint().url()]);
    let daemon = Daemon::start(&config(LAB, &[torrent]));
    let healthy = [
        ("seedwatch_announce_success", Some(1.0)),
        ("seedwatch_tracker_up{family=\"ipv4\"}", Some(1.0)),
    ];
    daemon.wait_for_values(&healthy);
    daemon.limit_files(3);
    let report_count = || daemon.log().matches("lacks resources for probes").count();
    wait::until("the lack is reported", wait::PATIENCE, || {
        (report_count() > 0).then_some(())
    });
    let stalled = tracker.received().len();
    daemon.limit_files(1024);
    wait::until("probes reach the tracker again", wait::PATIENCE, || {
        (tracker.received().len() > stalled + 2).then_some(())
    });
    let metrics = daemon.wait_for_values(&healthy);
    let failures: Vec<_> = metrics
        .select("seedwatch_tracker_failures_total")
        .filter(|(_, count)| *count > 0.0)
        .collect();
    assert!(failures.is_empty(), "{failures:?}");
    let log = daemon.log();
    assert_eq!(report_count(), 1, "{log}");
    assert!(!log.contains("tracker down"), "{log}");
    assert!(!log.contains("no connectivity"), "{log}");
}
