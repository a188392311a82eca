//! The container image: what it is built from is enough.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::{root, said, text};

/// Copies what `.dockerignore` lets through; the lines that it may have are few.
fn context(to: &Path) {
    let rules = text(".dockerignore");
    let mut rules = rules
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    assert_eq!(rules.next(), Some("*"), "all is left out but what is named");
    for rule in rules {
        let path = rule.trim_start_matches('!');
        assert!(root(path).exists(), ".dockerignore: {rule}");
        let target = to.join(path);
        if rule.starts_with('!') {
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            let copy = Command::new("cp")
                .arg("-r")
                .arg(root(path))
                .arg(&target)
                .status();
            assert!(copy.unwrap().success(), "{rule}");
        } else {
            fs::remove_dir_all(&target).unwrap();
        }
    }
}

#[test]
fn what_it_is_built_from_is_enough() {
    let folder = tempfile::tempdir().unwrap();
    context(folder.path());
    let cargo = Command::new(env!("CARGO"))
        .args([
            "metadata",
            "--format-version=1",
            "--no-deps",
            "--offline",
            "--locked",
        ])
        .current_dir(folder.path())
        .output()
        .unwrap();
    assert!(cargo.status.success(), "{}", said(&cargo));
    let dockerfile = text("deploy/docker/Dockerfile");
    for path in [
        "deploy/seedwatch/config.yaml",
        "LICENSE-MIT",
        "LICENSE-APACHE",
        "NOTICE",
    ] {
        assert!(
            dockerfile.contains(path) && folder.path().join(path).is_file(),
            "{path}"
        );
    }
}
