//! The example configuration, on a machine without a network.

use std::collections::BTreeMap;

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
    daemon.wait_within("a reason for each tracker", wait::PATIENCE, |page| {
        let mut failures: BTreeMap<&str, f64> = BTreeMap::new();
        for (labels, count) in page.select("seedwatch_tracker_failures_total") {
            *failures.entry(&labels["tracker"]).or_default() += count;
        }
        assert_eq!(page.select("seedwatch_torrent_peers").count(), 0, "{page}");
        assert_eq!(
            page.select("seedwatch_torrent_seeders").count(),
            0,
            "{page}"
        );
        !failures.is_empty() && failures.values().all(|count| *count > 0.0)
    });
}
