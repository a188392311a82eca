//! Checks that no shipped file links to a host that does not exist.

use std::path::PathBuf;

use crate::documents::walk;
use crate::root;

/// Hosts of other projects to which files link, and public trackers of examples.
const REAL: [&str; 12] = [
    "creativecommons.org",
    "db-ip.com",
    "github.com/prometheus/",
    "github.com/rust-fuzz/",
    "json-schema.org",
    "just.systems",
    "keepachangelog.com",
    "prometheus.io",
    "rustup.rs",
    "www.bittorrent.org",
    "www.naturalearthdata.com",
    "www.w3.org",
];

/// The repository in the manifests.
const OURS: &str = "github.com/seedwatch/seedwatch";

/// Tests, whose hosts are names in series and values that no one follows.
const TESTS: [&str; 4] = [
    "deploy/alertmanager/test",
    "deploy/helm/seedwatch/ci/",
    "deploy/kubernetes/test",
    "deploy/prometheus/tests/",
];

/// Returns whether an address without its scheme is a real one, that of this machine, or computed.
fn is_real(address: &str, file: &str) -> bool {
    let host = address.split(['/', ':', '?', '#']).next().unwrap_or("");
    let is_written = host.starts_with(|c: char| c.is_ascii_alphanumeric());
    // Documents name hosts in capitals, or by the names that are reserved for examples (RFC 2606).
    let is_explained =
        host.chars().all(|c| c.is_ascii_uppercase()) || address.starts_with("host:port");
    let is_explaining = file.ends_with(".md") || file.ends_with("config.yaml");
    let is_example = is_explaining && host.ends_with(".example");
    // Services of the compose file.
    let is_service = file.starts_with("grafana/provisioning") && host == "prometheus";
    !is_written
        || is_explained
        || is_example
        || is_service
        || host == "localhost"
        || host.starts_with("127.")
        || file == "Cargo.toml" && address.starts_with(OURS)
        || REAL.iter().any(|real| address.starts_with(real))
}

#[test]
fn no_link_leads_to_a_placeholder() {
    let mut files: Vec<PathBuf> = Vec::new();
    for folder in ["deploy", "docs", "grafana", ".github"] {
        walk(&root(folder), &mut files);
    }
    for file in [
        "Cargo.toml",
        "CONTRIBUTING.md",
        "README.md",
        "SECURITY.md",
        "build.rs",
    ] {
        files.push(root(file));
    }
    let mut strange = Vec::new();
    let mut links = 0;
    for path in files {
        let name = path.strip_prefix(root("")).unwrap().to_str().unwrap();
        let Ok(text) = std::fs::read_to_string(&path) else {
            continue;
        };
        if TESTS.iter().any(|test| name.starts_with(test)) {
            continue;
        }
        for part in text.split("://").skip(1) {
            links += 1;
            if !is_real(part, name) {
                let end = part.find([' ', '"', ')', '\n']).unwrap_or(part.len());
                strange.push(format!("{name}: {}", &part[..end]));
            }
        }
    }
    assert!(links > 50, "too few links found: {links}");
    assert_eq!(strange, Vec::<String>::new());
}

#[test]
fn placeholders_are_recognized() {
    let is_real = |address| is_real(address, "deploy/x.yaml");
    for real in [
        "localhost:9090",
        "127.0.0.1:1",
        "{target}",
        "HOST/PATH",
        "prometheus.io/x",
    ] {
        assert!(is_real(real), "{real}");
    }
    for placeholder in [
        "example.com/runbook",
        "your-host",
        "a.example",
        "github.com/x/y",
    ] {
        assert!(!is_real(placeholder), "{placeholder}");
    }
}
