//! The shipped files for Prometheus and Alertmanager with shorter waits: a condition that must hold
//! for hours must hold for seconds here. Expressions and their windows are unchanged.

use std::net::SocketAddr;
use std::path::Path;

/// Settings whose durations are shortened.
const WAITS: &[(&str, &str)] = &[
    // Settings of Prometheus.
    ("interval", "500ms"),
    // The time that Prometheus takes to find Alertmanager, so that all alerts fire at once and in
    // order.
    ("for", "6s"),
    ("keep_firing_for", "500ms"),
    ("scrape_interval", "1s"),
    ("scrape_timeout", "1s"),
    ("evaluation_interval", "500ms"),
    // Settings of Alertmanager. Inhibiting alerts arrive before a notification is sent.
    ("group_wait", "1s"),
    ("group_interval", "500ms"),
    ("repeat_interval", "500ms"),
];

/// The `instance` label of the daemon, independent of its port.
pub(super) const INSTANCE: &str = "seedwatch.example:16881";

/// Prefix of target addresses in the files of `deploy`.
const TARGETS: &str = "- targets: ";
const SEEDWATCH: &str = "127.0.0.1:16881";
const ALERTMANAGER: &str = "127.0.0.1:9093";
/// The receivers of `alertmanager.yaml`, which has no integration for them.
const RECEIVERS: [&str; 3] = ["pages", "warnings", "infos"];

/// Writes `prometheus.yaml` and its rules into a folder.
pub(super) fn prometheus(folder: &Path, daemon: SocketAddr, alertmanager: SocketAddr) {
    for name in ["recording.rules.yaml", "alerts.rules.yaml"] {
        std::fs::write(folder.join(name), shortened(&deployed("prometheus", name))).unwrap();
    }
    let shipped = deployed("prometheus", "prometheus.yaml");
    let shipped_target = format!("{TARGETS}[\"{SEEDWATCH}\"]");
    let test_target =
        format!("- {{targets: [\"{daemon}\"], labels: {{instance: \"{INSTANCE}\"}}}}");
    let config = replaced(&shipped, &shipped_target, &test_target);
    let config = replaced(&config, ALERTMANAGER, &alertmanager.to_string());
    std::fs::write(folder.join("prometheus.yaml"), shortened(&config)).unwrap();
}

/// Writes `alertmanager.yaml` into a folder.
pub(super) fn alertmanager(folder: &Path, receiver: SocketAddr) {
    let mut config = deployed("alertmanager", "alertmanager.yaml");
    for name in RECEIVERS {
        let entry = format!("\n  - name: {name}\n");
        let webhook = format!(
            "    webhook_configs: [{{url: \"http://{receiver}/{name}\", send_resolved: {}}}]\n",
            name != "infos"
        );
        config = replaced(&config, &entry, &format!("{entry}{webhook}"));
    }
    std::fs::write(folder.join("alertmanager.yaml"), shortened(&config)).unwrap();
}

fn deployed(part: &str, name: &str) -> String {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy");
    let file = format!("{root}/{part}/{name}");
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{file}: {error}"))
}

fn replaced(text: &str, old: &str, new: &str) -> String {
    assert!(text.contains(old), "no {old:?} in\n{text}");
    text.replace(old, new)
}

/// The alert about failed scrapes. A loaded machine delays scrapes by seconds, so its wait is
/// shortened less.
const SCRAPE_ALERT: (&str, &str) = ("SeedwatchDown", "60s");

fn shortened(text: &str) -> String {
    let mut alert = "";
    let lines = text.lines().map(|line| {
        let trimmed = line.trim_start();
        if let Some(name) = trimmed.strip_prefix("- alert: ") {
            alert = name;
        }
        let shorter = trimmed.split_once(": ").and_then(|(key, _)| {
            let &(_, mut wait) = WAITS.iter().find(|(known, _)| *known == key)?;
            if (alert, key) == (SCRAPE_ALERT.0, "for") {
                wait = SCRAPE_ALERT.1;
            }
            let indent = &line[..line.len() - trimmed.len()];
            Some(format!("{indent}{key}: {wait}"))
        });
        shorter.unwrap_or_else(|| line.to_owned()) + "\n"
    });
    lines.collect()
}
