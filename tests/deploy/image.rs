//! Checks that the build context of the container image is complete.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::{output_text, root, text};

/// Copies the files that `.dockerignore` admits. Understands only the patterns that the file uses.
fn copy_context(to: &Path) {
    let rules = text(".dockerignore");
    let mut rules = rules
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'));
    assert_eq!(
        rules.next(),
        Some("*"),
        "the first rule excludes everything"
    );
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
fn the_build_context_is_complete() {
    let folder = tempfile::tempdir().unwrap();
    copy_context(folder.path());
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
    assert!(cargo.status.success(), "{}", output_text(&cargo));
    // Files outside `src` that the program includes.
    for included in ["docs/runbook.md", "askama.toml"] {
        assert!(folder.path().join(included).exists(), "{included}");
    }
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
