//! `/metrics` as read by Prometheus and by its linter.

use std::collections::BTreeSet;
use std::io::Read;

use flate2::read::GzDecoder;

use crate::rig::daemon::{Daemon, LAB, ONCE, config, entry};
use crate::rig::exposition::Exposition;
use crate::rig::http::Response;
use crate::rig::prometheus::{Prometheus, promtool_check};
use crate::rig::scripted::{self, Truth, UdpTracker};
use crate::rig::swarm::{Swarm, fresh_hash};
use crate::rig::trackers::Opentracker;
use crate::rig::wire::{Endpoint, hex};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0";

/// Starts a daemon with a live swarm, a dead tracker and a name that must be escaped.
fn busy_daemon() -> (Daemon, UdpTracker) {
    let truth = Truth::of([
        "127.60.4.1:1".parse().unwrap(),
        "127.60.4.2:1".parse().unwrap(),
    ]);
    let tracker = UdpTracker::start(move |packet| vec![scripted::honest(packet, &truth)]);
    let dead = Endpoint::Udp("127.99.0.1:9".parse().unwrap()).url();
    let watched = [
        entry(
            "live",
            &hex(&fresh_hash()),
            &[tracker.endpoint().url(), dead],
        ),
        entry(
            r#""a \"quoted\" \\ name""#,
            &hex(&fresh_hash()),
            &[tracker.endpoint().url()],
        ),
    ];
    let daemon = Daemon::start(&config(LAB, &watched));
    daemon.wait_for_values(&[
        (
            r#"seedwatch_torrent_peers{torrent="live",family="ipv4"}"#,
            Some(2.0),
        ),
        (
            r#"seedwatch_announce_success{tracker="udp://127.99.0.1:9"}"#,
            Some(0.0),
        ),
    ]);
    (daemon, tracker)
}

/// Requests `/metrics` in this format and encoding.
fn get_metrics(daemon: &Daemon, accept: &str, encoding: &str) -> Response {
    let headers = [("Accept", accept), ("Accept-Encoding", encoding)];
    let answer = daemon.request("GET", "/metrics", &headers);
    assert_eq!(answer.status, 200);
    answer
}

#[test]
fn promtool_finds_no_problem() {
    needs_servers!();
    let (daemon, _tracker) = busy_daemon();
    let page = daemon.metrics();
    assert_eq!(promtool_check(page.text()), Ok(()));
    let escaped = r#"seedwatch_torrent_info{torrent="a \"quoted\" \\ name"}"#;
    assert_eq!(page.get(escaped), Some(1.0), "{page}");
}

#[test]
fn both_formats_contain_the_same_series() {
    let (daemon, _tracker) = busy_daemon();
    let classic = daemon.get("/metrics");
    assert_eq!(
        classic.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    let open = get_metrics(
        &daemon,
        &format!("{OPEN_METRICS}, text/plain;q=0.5"),
        "identity",
    );
    let kind = open.header("content-type").unwrap();
    assert!(
        kind.starts_with(OPEN_METRICS) && kind.contains("charset=utf-8"),
        "{kind}"
    );
    let text = open.text();
    assert!(text.ends_with("\n# EOF\n"));
    let names = |page: &str| {
        let page = Exposition::parse(page);
        page.names().map(str::to_owned).collect::<BTreeSet<_>>()
    };
    assert_eq!(names(&classic.text()), names(&text));
}

#[test]
fn pages_are_compressed_on_request() {
    let (daemon, _tracker) = busy_daemon();
    let answer = get_metrics(&daemon, "text/plain", "gzip");
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
    let mut text = String::new();
    GzDecoder::new(&answer.body[..])
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(
        Exposition::parse(&text).get("seedwatch_torrents"),
        Some(2.0)
    );
    assert_eq!(
        get_metrics(&daemon, "text/plain", "identity").header("content-encoding"),
        None
    );
}

#[test]
fn the_first_page_is_never_empty() {
    let silent = UdpTracker::start(|_| vec![]);
    let watched = [entry(
        "new",
        &hex(&fresh_hash()),
        &[silent.endpoint().url()],
    )];
    let daemon = Daemon::start(&config(ONCE, &watched));
    let page = daemon.metrics();
    for (selector, value) in [
        ("seedwatch_build_info", Some(1.0)),
        ("seedwatch_torrents", Some(1.0)),
        (r#"seedwatch_torrent_info{torrent="new"}"#, Some(1.0)),
        (r#"seedwatch_torrent_trackers{torrent="new"}"#, Some(1.0)),
        ("seedwatch_config_last_reload_successful", Some(1.0)),
        // A torrent that was not probed yet is unknown, not empty.
        ("seedwatch_torrent_probe_success", None),
        ("seedwatch_announce_success", None),
        ("seedwatch_torrent_trackers_online", None),
    ] {
        assert_eq!(page.get(selector), value, "{selector}\n{page}");
    }
    assert_eq!(page.select("seedwatch_torrent_peers").count(), 0);
    assert!(
        page.names()
            .any(|name| name == "process_resident_memory_bytes")
    );
    assert_eq!(daemon.get("/-/healthy").status, 200);
}

#[test]
fn prometheus_scrapes_and_answers() {
    needs_servers!();
    let hash = fresh_hash();
    let tracker = Opentracker::start(&[hash]);
    let swarm = Swarm::of(hash, 4000, 2, 5);
    swarm.join(tracker.udp());
    let url = tracker.udp().url();
    let watched = entry("queried", &swarm.hex(), std::slice::from_ref(&url));
    let daemon = Daemon::start(&config(LAB, &[watched]));
    let prometheus = Prometheus::scraping(daemon.address());
    prometheus.wait_for("up", 1.0);
    prometheus.wait_for(
        r#"sum by (torrent) (seedwatch_torrent_peers{torrent="queried"})"#,
        7.0,
    );
    prometheus.wait_for("seedwatch_torrent_seeders", 2.0);
    let info =
        "seedwatch_torrent_peers * on (torrent) group_left (infohash) seedwatch_torrent_info";
    let rows = prometheus.query(info);
    assert_eq!(rows[0].0["infohash"], swarm.hex());

    // Without timestamps, a removed torrent is stale at the next scrape, not five minutes later.
    let other = entry("other", &hex(&fresh_hash()), &[url]);
    daemon.write_config(&config(LAB, &[other]));
    assert_eq!(daemon.reload().status, 200);
    prometheus.wait_for(r#"absent(seedwatch_torrent_info{torrent="queried"})"#, 1.0);
}
