//! Our own files for Prometheus and Alertmanager with shorter waits, and nothing else changed: what
//! has to stay so for hours stays so for seconds here. Expressions and their windows are as shipped.

use std::net::SocketAddr;
use std::path::Path;

/// Keys whose durations are cut.
const WAITS: &[(&str, &str)] = &[
    // Of Prometheus.
    ("interval", "500ms"),
    // So long Prometheus takes to find Alertmanager: whatever fires, fires at once and in order.
    ("for", "6s"),
    ("keep_firing_for", "500ms"),
    ("scrape_interval", "1s"),
    ("scrape_timeout", "1s"),
    ("evaluation_interval", "500ms"),
    // Of Alertmanager. What inhibits something is there when something would be sent.
    ("group_wait", "1s"),
    ("group_interval", "500ms"),
    ("repeat_interval", "500ms"),
];

/// The `instance` of the daemon, whatever port it has got this time.
pub(super) const INSTANCE: &str = "seedwatch.example:16881";

/// Where files of `deploy` say that something is.
const TARGETS: &str = "- targets: ";
const SEEDWATCH: &str = "127.0.0.1:16881";
const ALERTMANAGER: &str = "127.0.0.1:9093";
const RECEIVER: &str = "127.0.0.1:9099";

/// Writes `prometheus.yaml` and its rules into a folder.
pub(super) fn prometheus(folder: &Path, daemon: SocketAddr, alertmanager: SocketAddr) {
    for name in ["recording.rules.yaml", "alerts.rules.yaml"] {
        std::fs::write(folder.join(name), hurried(&deployed("prometheus", name))).unwrap();
    }
    let shipped = deployed("prometheus", "prometheus.yaml");
    let theirs = format!("{TARGETS}[\"{SEEDWATCH}\"]");
    let ours = format!("- {{targets: [\"{daemon}\"], labels: {{instance: \"{INSTANCE}\"}}}}");
    let config = replaced(&shipped, &theirs, &ours);
    let config = replaced(&config, ALERTMANAGER, &alertmanager.to_string());
    std::fs::write(folder.join("prometheus.yaml"), hurried(&config)).unwrap();
}

/// Writes `alertmanager.yaml` into a folder.
pub(super) fn alertmanager(folder: &Path, receiver: SocketAddr) {
    let shipped = deployed("alertmanager", "alertmanager.yaml");
    let config = replaced(&shipped, RECEIVER, &receiver.to_string());
    std::fs::write(folder.join("alertmanager.yaml"), hurried(&config)).unwrap();
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

/// The alert about failed scrapes. A loaded machine delays scrapes by seconds, so its wait is cut
/// less.
const SCRAPE_ALERT: (&str, &str) = ("SeedwatchDown", "60s");

fn hurried(text: &str) -> String {
    let mut alert = "";
    let lines = text.lines().map(|line| {
        let words = line.trim_start();
        if let Some(name) = words.strip_prefix("- alert: ") {
            alert = name;
        }
        let cut = words.split_once(": ").and_then(|(key, _)| {
            let &(_, mut wait) = WAITS.iter().find(|(known, _)| *known == key)?;
            if (alert, key) == (SCRAPE_ALERT.0, "for") {
                wait = SCRAPE_ALERT.1;
            }
            let indent = &line[..line.len() - words.len()];
            Some(format!("{indent}{key}: {wait}"))
        });
        cut.unwrap_or_else(|| line.to_owned()) + "\n"
    });
    lines.collect()
}
