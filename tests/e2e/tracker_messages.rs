//! Messages of trackers, from the wire to all places that show them.

use std::process::{Command, Output};

use serde_json::Value;

use crate::rig::daemon::{BINARY, Daemon, LAB, config, entry};
use crate::rig::scripted::{HttpTracker, Reply, ok};
use crate::rig::swarm::fresh_hash;
use crate::rig::wire::hex;

/// Returns a tracker that lists one peer, with a warning that contains the passkey.
fn warning() -> HttpTracker {
    HttpTracker::start(|request| match request.target.contains("/scrape") {
        true => ok("d5:filesdee"),
        false => ok(
            b"d8:completei3e10:incompletei1e8:intervali1800e5:peers6:\x51\x02\x03\x04\x1a\xe1\
              15:warning message36:This tracker closes in May, k3y5p4see",
        ),
    })
}

fn url(tracker: &HttpTracker, path: &str) -> String {
    tracker.endpoint().url().replace("/announce", path)
}

fn watched(name: &str, tracker: &HttpTracker, path: &str) -> String {
    entry(name, &hex(&fresh_hash()), &[url(tracker, path)])
}

fn probe(config: &str, name: &str, more: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    std::fs::write(&file, config).unwrap();
    let mut command = Command::new(BINARY);
    command
        .arg("--config.file")
        .arg(&file)
        .args(["probe", name]);
    command.args(more).output().unwrap()
}

fn api(daemon: &Daemon, name: &str) -> Value {
    let answer = daemon.get(&format!("/api/v1/torrents/{name}"));
    let torrent: Value = serde_json::from_slice(&answer.body).unwrap();
    torrent["announces"][0].clone()
}

#[test]
fn warnings_are_shown_without_passkeys() {
    let tracker = warning();
    let entry = watched("warned", &tracker, "/k3y5p4se/announce");
    let config = config(LAB, &[entry]);
    let shown = "This tracker closes in May, <secret>";
    let output = probe(&config, "warned", &[]);
    let trace = String::from_utf8(output.stdout).unwrap();
    assert!(trace.contains(&format!("warning: {shown}")), "{trace}");
    let output = probe(&config, "warned", &["--output", "json"]);
    let trace: Value = serde_json::from_slice(&output.stdout).unwrap();
    let requests = trace["requests"].as_array().unwrap();
    assert!(
        requests.iter().any(|request| request["warning"] == shown),
        "{trace}"
    );
    let daemon = Daemon::start(&config);
    daemon.wait_for_values(&[("seedwatch_announce_success", Some(1.0))]);
    assert_eq!(api(&daemon, "warned")["warning"], shown);
    let escaped = "<bdi>This tracker closes in May, &lt;secret&gt;</bdi>";
    for path in ["/trackers", "/torrents/warned"] {
        let page = daemon.get(path).text();
        assert!(page.contains(escaped), "{page}");
    }
}

#[test]
fn a_scrape_without_the_torrent_is_an_answer() {
    let tracker = HttpTracker::start(|_| ok("d5:filesdee"));
    let settings = format!("{LAB}tracker: {{announce: scrape}}\n");
    let config = config(&settings, &[watched("unknown", &tracker, "/announce")]);
    let output = probe(&config, "unknown", &[]);
    assert_eq!(output.status.code(), Some(4), "{output:?}");
    let trace = String::from_utf8(output.stdout).unwrap();
    let text = "the scrape answer has no counts of this torrent";
    assert!(trace.contains(text), "{trace}");
    let verdict = "pending: No source has given a conclusive answer";
    assert!(trace.starts_with(verdict), "{trace}");
    let daemon = Daemon::start(&config);
    daemon.wait_for_values(&[
        ("seedwatch_announce_success", Some(0.0)),
        (
            r#"seedwatch_torrent_probe_success{source="tracker"}"#,
            Some(0.0),
        ),
        (r#"seedwatch_tracker_up{family="ipv4"}"#, Some(1.0)),
        (r#"seedwatch_torrent_peers{family="ipv4"}"#, None),
    ]);
    let failure = &api(&daemon, "unknown")["failure"];
    assert_eq!(failure["reason"], "rejected");
    assert_eq!(failure["text"], text);
}

#[test]
fn a_requested_wait_is_shown_and_limited_to_a_day() {
    let tracker = HttpTracker::start(|_| {
        Reply::raw("HTTP/1.1 429 Slow Down\r\nRetry-After: 999999\r\nContent-Length: 0\r\n\r\n")
    });
    let config = config(LAB, &[watched("limited", &tracker, "/announce")]);
    let output = probe(&config, "limited", &[]);
    let trace = String::from_utf8(output.stdout).unwrap();
    assert!(trace.contains("HTTP 429, asks to wait 86400 s"), "{trace}");
    let daemon = Daemon::start(&config);
    daemon.wait_for_values(&[("seedwatch_announce_success", Some(0.0))]);
    assert_eq!(api(&daemon, "limited")["failure"]["retry_seconds"], 86_400);
    for path in ["/trackers", "/torrents/limited"] {
        let page = daemon.get(path).text();
        let page = page.replace("<bdi>", "").replace("</bdi>", "");
        let shown = ">rate_limited: HTTP 429, asks to wait 86,400 s</td>";
        assert!(page.contains(shown), "{page}");
    }
}
