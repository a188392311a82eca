//! The shape of the crate: who may use whom, and how long a file may be.

#![expect(clippy::unwrap_used, reason = "a test fails where its helpers do")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each module and what it may use. The order is that of the map in `src/lib.rs`; nobody uses a
/// module below its own line.
const RULE: [(&str, &[&str]); 22] = [
    ("time", &[]),
    ("text", &[]),
    ("log", &["text"]),
    ("address", &[]),
    ("file", &[]),
    ("geo", &["file"]),
    ("bencode", &[]),
    ("torrent", &["address", "bencode", "file", "text"]),
    ("observation", &["text", "time", "torrent"]),
    (
        "dht",
        &["address", "bencode", "observation", "time", "torrent"],
    ),
    (
        "config",
        &["address", "file", "geo", "observation", "torrent"],
    ),
    ("roster", &["observation", "torrent"]),
    ("schedule", &["observation", "roster", "time", "torrent"]),
    (
        "probe",
        &[
            "address",
            "bencode",
            "dht",
            "file",
            "log",
            "observation",
            "text",
            "time",
            "torrent",
        ],
    ),
    ("window", &["time"]),
    (
        "swarm",
        &[
            "address",
            "geo",
            "observation",
            "roster",
            "time",
            "torrent",
            "window",
        ],
    ),
    ("store", &["dht", "file", "time", "window"]),
    (
        "snapshot",
        &["geo", "observation", "swarm", "time", "torrent", "window"],
    ),
    ("metrics", &["snapshot"]),
    // `config` for reading YAML: the web has a file of its own.
    (
        "web",
        &["config", "file", "log", "metrics", "snapshot", "text"],
    ),
    (
        "app",
        &[
            "address",
            "bencode",
            "cli",
            "config",
            "dht",
            "file",
            "geo",
            "log",
            "metrics",
            "observation",
            "probe",
            "roster",
            "schedule",
            "snapshot",
            "store",
            "swarm",
            "time",
            "torrent",
            "web",
            "window",
        ],
    ),
    ("cli", &["log", "web"]),
];

/// No file is longer.
const MAX_LINES: usize = 600;

#[test]
fn modules_use_only_what_they_may() {
    let mut violations = Vec::new();
    for (path, text) in sources("src") {
        let module = module_of(&path);
        let Some((_, allowed)) = RULE.iter().find(|(name, _)| *name == module) else {
            assert!(
                ["lib", "main"].contains(&module.as_str()),
                "{module} is missing in the rule: {}",
                path.display()
            );
            continue;
        };
        for used in uses(without_tests(&path, &text)) {
            if used != module && !allowed.contains(&used.as_str()) {
                violations.push(format!("{} uses {used}", path.display()));
            }
        }
    }
    assert_eq!(violations, Vec::<String>::new());
}

#[test]
fn the_map_names_every_module() {
    let map = fs::read_to_string(root("src/lib.rs")).unwrap();
    let listed: Vec<&str> = map
        .lines()
        .filter_map(|line| line.strip_prefix("//! | [`")?.split('`').next())
        .collect();
    let modules: BTreeSet<String> = sources("src")
        .iter()
        .map(|(path, _)| module_of(path))
        .filter(|module| !["lib", "main"].contains(&module.as_str()))
        .collect();
    let listed: BTreeSet<String> = listed.into_iter().map(str::to_owned).collect();
    assert_eq!(listed, modules);
}

#[test]
fn files_are_rooms_not_halls() {
    let too_long: Vec<String> = ["src", "tests", "benches"]
        .into_iter()
        .flat_map(sources)
        .filter(|(_, text)| text.lines().count() > MAX_LINES)
        .map(|(path, text)| format!("{}: {} lines", path.display(), text.lines().count()))
        .collect();
    assert_eq!(too_long, Vec::<String>::new());
}

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Every Rust file below a folder of the crate, with its path from the crate's root.
fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![root(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(folder) else {
            continue;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(root("")).unwrap().to_owned();
                found.push((path, text));
            }
        }
    }
    assert!(
        !found.is_empty() || folder == "benches",
        "{folder} is empty"
    );
    found.sort();
    found
}

/// `src/probe/udp/codec.rs` belongs to `probe`.
fn module_of(path: &Path) -> String {
    let first = path.components().nth(1).unwrap().as_os_str();
    first.to_str().unwrap().trim_end_matches(".rs").to_owned()
}

/// Tests may use whatever they need.
fn without_tests<'a>(path: &Path, text: &'a str) -> &'a str {
    let parts = path.components().map(|part| part.as_os_str());
    if parts.into_iter().any(|p| p == "tests" || p == "tests.rs") {
        return "";
    }
    text.split("#[cfg(test)]\nmod ").next().unwrap()
}

/// The modules named after `crate::` outside comments, those of a braced list included.
fn uses(text: &str) -> BTreeSet<String> {
    let code: String = text
        .lines()
        .map(|line| line.split("//").next().unwrap())
        .collect::<Vec<_>>()
        .join("\n");
    let name = |text: &str| -> String {
        let is_part = |c: &char| c.is_alphanumeric() || *c == '_';
        text.trim_start().chars().take_while(is_part).collect()
    };
    let mut used = BTreeSet::new();
    for after in code.split("crate::").skip(1) {
        let Some(list) = after.strip_prefix('{') else {
            used.insert(name(after));
            continue;
        };
        let mut depth = 1;
        let mut start = 0;
        for (at, c) in list.char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if (c == ',' && depth == 1) || depth == 0 {
                used.insert(name(&list[start..at]));
                start = at + 1;
            }
            if depth == 0 {
                break;
            }
        }
    }
    used.remove("");
    used
}

#[test]
fn uses_are_found_in_every_form() {
    let text = "use crate::a::B;\nuse crate::{c, d::{E, F}, g as h};\nfn f(x: crate::i::J) {}\n\
                // crate::k\npub use crate::l;";
    let expected = ["a", "c", "d", "g", "i", "l"].map(str::to_owned);
    assert_eq!(uses(text), BTreeSet::from(expected));
}
