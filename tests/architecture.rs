//! The rules of the workspace that Cargo cannot express: which module may use which, what pure
//! crates may use, and how long a file may be.

#![expect(clippy::unwrap_used, reason = "a test fails where its helpers do")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Each module of the daemon and the modules that it may use, in the order of the map in
/// `src/lib.rs`.
const MODULES: [(&str, &[&str]); 7] = [
    ("log", &[]),
    ("config", &[]),
    ("store", &[]),
    ("metrics", &[]),
    ("web", &["metrics"]),
    ("cli", &["log"]),
    ("app", &["cli", "config", "log", "metrics", "store", "web"]),
];

/// Crates that take bytes, values and the time, and return values.
const PURE_CRATES: [&str; 7] = [
    "core", "dht", "distinct", "lists", "peer", "torrent", "tracker",
];

/// Code that reads a clock, opens a socket or a file, starts a thread, or draws random numbers
/// without a seed from its caller.
const IMPURE_CODE: [&str; 13] = [
    "Instant::now",
    "SystemTime::now",
    "std::thread",
    "std::fs",
    "UdpSocket",
    "TcpStream",
    "tokio::",
    " nix::",
    "socket2::",
    "rand::random",
    "rand::rng()",
    "SysRng",
    "getrandom::",
];

/// Exceptions: metainfo files are read from a path.
const EXCEPTIONS: [(&str, &str); 1] = [("crates/torrent/src/metainfo.rs", "std::fs")];

/// The most lines of a file.
const MAX_LINES: usize = 600;

/// Folders with Rust sources.
const FOLDERS: [&str; 5] = ["src", "crates", "dev", "tests", "benches"];

#[test]
fn modules_use_only_permitted_modules() {
    let mut violations = Vec::new();
    for (path, text) in sources("src") {
        let module = module_of(&path);
        let Some((_, allowed)) = MODULES.iter().find(|(name, _)| *name == module) else {
            assert!(
                ["lib", "main"].contains(&module.as_str()),
                "{module} is missing in MODULES: {}",
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
fn pure_crates_have_no_clock_socket_file_or_thread() {
    let mut violations = Vec::new();
    for name in PURE_CRATES {
        for (path, text) in sources(format!("crates/{name}/src")) {
            let code = without_comments(without_tests(&path, &text));
            for what in IMPURE_CODE.iter().filter(|what| code.contains(**what)) {
                let path = path.to_str().unwrap();
                if !EXCEPTIONS.contains(&(path, what)) {
                    violations.push(format!("{path}: {what}"));
                }
            }
        }
    }
    assert_eq!(violations, Vec::<String>::new());
}

#[test]
fn the_map_names_every_module() {
    let map = fs::read_to_string(root("src/lib.rs")).unwrap();
    let listed: BTreeSet<String> = map
        .lines()
        .filter_map(|line| line.strip_prefix("//! | [`")?.split('`').next())
        .filter(|name| !name.starts_with("seedwatch_"))
        .map(str::to_owned)
        .collect();
    let modules: BTreeSet<String> = sources("src")
        .iter()
        .map(|(path, _)| module_of(path))
        .filter(|module| !["lib", "main"].contains(&module.as_str()))
        .collect();
    assert_eq!(listed, modules);
}

#[test]
fn no_file_is_too_long() {
    let too_long: Vec<String> = FOLDERS
        .into_iter()
        .flat_map(sources)
        .filter(|(_, text)| text.lines().count() > MAX_LINES)
        .map(|(path, text)| format!("{}: {} lines", path.display(), text.lines().count()))
        .collect();
    assert_eq!(too_long, Vec::<String>::new());
}

#[test]
fn the_picture_shows_every_dependency_between_crates() {
    let document = fs::read_to_string(root("docs/architecture.md")).unwrap();
    let drawn: BTreeSet<(String, String)> = document
        .lines()
        .filter_map(|line| line.trim().split_once(" --> "))
        .map(|(from, to)| (from.to_owned(), to.to_owned()))
        .collect();
    let mut stated = BTreeSet::new();
    for folder in fs::read_dir(root("crates")).unwrap() {
        let folder = folder.unwrap();
        let name = folder.file_name().into_string().unwrap();
        let manifest = fs::read_to_string(folder.path().join("Cargo.toml")).unwrap();
        let (_, dependencies) = manifest.split_once("[dependencies]").unwrap_or_default();
        let (dependencies, _) = dependencies.split_once("\n[").unwrap_or((dependencies, ""));
        for line in dependencies.lines() {
            if let Some(rest) = line.strip_prefix("seedwatch-") {
                let other = rest.split('.').next().unwrap_or_default();
                stated.insert((name.clone(), other.to_owned()));
            }
        }
    }
    assert_eq!(drawn, stated);
}

#[test]
fn no_module_has_a_path_attribute() {
    let attribute = concat!("#[", "path");
    let moved: Vec<PathBuf> = FOLDERS
        .into_iter()
        .flat_map(sources)
        .filter(|(_, text)| text.contains(attribute))
        .map(|(path, _)| path)
        .collect();
    assert_eq!(moved, Vec::<PathBuf>::new());
}

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Returns every Rust file below a folder of the workspace, with its path from the root.
fn sources(folder: impl AsRef<str>) -> Vec<(PathBuf, String)> {
    let folder = folder.as_ref();
    let mut found = Vec::new();
    let mut folders = vec![root(folder)];
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(folder) else {
            continue;
        };
        for entry in entries {
            let path = entry.unwrap().path();
            if path.is_dir() && path.file_name().is_none_or(|name| name != "target") {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(root("")).unwrap().to_owned();
                found.push((path, text));
            }
        }
    }
    assert!(!found.is_empty(), "{folder} is empty");
    found.sort();
    found
}

/// Returns the module of the daemon that a file belongs to: `web` for `src/web/status/finding.rs`.
fn module_of(path: &Path) -> String {
    let first = path.components().nth(1).unwrap().as_os_str();
    first.to_str().unwrap().trim_end_matches(".rs").to_owned()
}

/// Returns the code without its tests, which may use any module.
fn without_tests<'a>(path: &Path, text: &'a str) -> &'a str {
    let parts = path.components().map(|part| part.as_os_str());
    if parts.into_iter().any(|p| p == "tests" || p == "tests.rs") {
        return "";
    }
    text.split("#[cfg(test)]\nmod ").next().unwrap()
}

fn without_comments(text: &str) -> String {
    text.lines()
        .map(|line| line.split("//").next().unwrap())
        .collect::<Vec<_>>()
        .join("\n")
}

/// Returns the modules that follow `crate::` outside comments, also within braces.
fn uses(text: &str) -> BTreeSet<String> {
    let code = without_comments(text);
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
