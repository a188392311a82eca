//! Checks that every file of the Debian package exists.

use crate::{root, text};

#[test]
fn every_file_of_the_package_exists() {
    let manifest = text("Cargo.toml");
    let assets = manifest.split("\nassets = [\n").nth(1).unwrap();
    let assets = assets.split("\n]\n").next().unwrap();
    let mut targets = Vec::new();
    for line in assets.lines() {
        let parts: Vec<&str> = line.split('"').collect();
        let [_, from, _, to, _, mode, _] = parts[..] else {
            panic!("{line}");
        };
        targets.push(to);
        if from == "target/release/seedwatch" {
            assert_eq!((to, mode), ("usr/bin/", "755"), "the path in the unit");
            continue;
        }
        let pattern = root(from);
        let files = glob::glob(pattern.to_str().unwrap()).unwrap();
        assert!(files.count() > 0, "{from} matches nothing");
        assert_eq!(mode, "644", "{from}");
    }
    assert!(targets.contains(&"etc/seedwatch/"), "the path in the unit");
    let package = manifest.split("[package.metadata.deb]").nth(1).unwrap();
    let package = package.split("\n[").next().unwrap();
    assert!(package.contains("depends = \"$auto\""));
    for key in ["recommends", "pre-depends", "suggests"] {
        assert!(!package.contains(key), "a server is installed by {key}");
    }
    assert!(manifest.contains("conf-files = [\"/etc/seedwatch/config.yaml\"]"));
}
