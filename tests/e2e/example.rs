//! The example configuration, on a machine without a network.

use crate::rig::daemon::{BINARY, Daemon};
use crate::rig::netns;
use crate::rig::wait;

const EXAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config.example.yaml");

#[test]
fn the_example_is_valid() {
    let arguments = ["--config.file", EXAMPLE, "--config.check"];
    let output = std::process::Command::new(BINARY)
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn without_a_network_the_status_page_says_so() {
    needs_servers!();
    if netns::outside("example::without_a_network_the_status_page_says_so") {
        return;
    }
    let daemon = Daemon::start(&std::fs::read_to_string(EXAMPLE).unwrap());
    let page = wait::until("the page tells the outage", wait::PATIENCE, || {
        let page = daemon.get("/").text();
        page.contains("Our own network does not work")
            .then_some(page)
    });
    assert!(page.contains("0 of 11 torrents dead"), "{page}");
    // It explains every failure, so none counts against a tracker or a torrent.
    let metrics = daemon.metrics();
    for name in ["seedwatch_torrent_peers", "seedwatch_torrent_seeders"] {
        assert_eq!(metrics.select(name).count(), 0, "{metrics}");
    }
    let mut failures = metrics.select("seedwatch_tracker_failures_total");
    assert!(failures.all(|(_, count)| *count == 0.0), "{metrics}");
}
