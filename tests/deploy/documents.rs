//! The documents: every relative link leads to a file, every anchor to a heading, and the justfile
//! names every script.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use crate::{root, text};

#[test]
fn every_relative_link_resolves() {
    let mut paths = Vec::new();
    walk(&root(""), &mut paths);
    let is_document = |path: &PathBuf| path.extension().is_some_and(|end| end == "md");
    let documents: BTreeMap<PathBuf, String> = paths
        .into_iter()
        .filter(is_document)
        .map(|path| (path.clone(), fs::read_to_string(&path).unwrap()))
        .collect();
    assert!(documents.len() > 15, "{:?}", documents.keys());
    let mut broken = Vec::new();
    for (path, text) in &documents {
        for link in links(text) {
            if !resolves(path, &link, &documents) {
                broken.push(format!("{}: {link}", path.display()));
            }
        }
    }
    assert_eq!(broken, Vec::<String>::new());
}

#[test]
fn links_and_anchors_are_found() {
    let text =
        "# One `two`\n```\n[no](code)\n```\n## Up & down?\n[a](b.md#c) `[no](code)` ![d](e.png)";
    assert_eq!(links(text), ["b.md#c", "e.png"]);
    let found = anchors(text);
    assert!(found.contains("one-two") && found.contains("up--down"));
}

#[test]
fn every_script_is_in_the_justfile() {
    let justfile = text("justfile");
    let mut paths = Vec::new();
    for folder in [".ci", "crates", "deploy", "docs", "grafana", "tests"] {
        walk(&root(folder), &mut paths);
    }
    let is_script = |path: &&PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o111 != 0;
    let scripts: Vec<&str> = paths
        .iter()
        .filter(is_script)
        .map(|path| path.strip_prefix(root("")).unwrap().to_str().unwrap())
        .collect();
    assert!(scripts.contains(&".ci/run"), "{scripts:?}");
    for script in scripts {
        assert!(justfile.contains(script), "{script} has no recipe");
    }
}

#[test]
fn the_toolchain_is_that_of_the_image() {
    let toolchain = text("rust-toolchain.toml");
    let version = toolchain.split("channel = \"").nth(1).unwrap();
    let (version, _) = version.split_once(".0\"").unwrap();
    for file in ["deploy/docker/Dockerfile", ".github/workflows/ci.yaml"] {
        assert!(text(file).contains(&format!("rust:{version}-")), "{file}");
    }
}

/// Lists every file below a directory, except in build output and hidden directories.
pub(crate) fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let is_hidden = name.starts_with('.') && name != ".github";
        if !path.is_dir() {
            files.push(path);
        } else if !is_hidden && !["target", "node_modules", "dist"].contains(&name.as_str()) {
            walk(&path, files);
        }
    }
}

fn resolves(from: &Path, link: &str, documents: &BTreeMap<PathBuf, String>) -> bool {
    if ["https://", "http://", "mailto:"]
        .iter()
        .any(|scheme| link.starts_with(scheme))
    {
        return true;
    }
    let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
    let target = match file {
        "" => from.to_owned(),
        file => normalized(&from.parent().unwrap().join(file)),
    };
    match (documents.get(&target), anchor) {
        (_, "") => target.exists(),
        (Some(text), anchor) => anchors(text).contains(anchor),
        (None, _) => false,
    }
}

/// Removes `..` without asking the file system, so that the path is a key of the documents.
fn normalized(path: &Path) -> PathBuf {
    let mut result = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                result.pop();
            }
            Component::CurDir => {}
            part => result.push(part),
        }
    }
    result
}

/// Returns the lines outside of fenced code blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut in_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        in_code ^= is_fence;
        !in_code && !is_fence
    })
}

/// Returns the targets of all links and images; inline code is left out.
fn links(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in prose(text) {
        let outside: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
        for part in outside.split("](").skip(1) {
            found.extend(part.split_once(')').map(|(target, _)| target.to_owned()));
        }
    }
    found
}

/// Returns the anchors that GitHub derives from headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = prose(text).filter_map(|line| {
        let heading = line.trim_start_matches('#');
        heading.strip_prefix(' ').filter(|_| line.starts_with('#'))
    });
    headings
        .map(|heading| {
            let kept = heading
                .chars()
                .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
            kept.collect::<String>().to_lowercase().replace(' ', "-")
        })
        .collect()
}
