//! The Debian package: all that it is made of is there.

use crate::{root, text};

#[test]
fn every_file_of_the_package_is_there() {
    let manifest = text("Cargo.toml");
    let assets = manifest.split("\nassets = [\n").nth(1).unwrap();
    let assets = assets.split("\n]\n").next().unwrap();
    let mut places = Vec::new();
    for line in assets.lines() {
        let parts: Vec<&str> = line.split('"').collect();
        let [_, from, _, to, _, mode, _] = parts[..] else {
            panic!("{line}");
        };
        places.push(to);
        if from == "target/release/seedwatch" {
            assert_eq!(
                (to, mode),
                ("usr/bin/", "755"),
                "where the unit looks for it"
            );
            continue;
        }
        let pattern = root(from);
        let files = glob::glob(pattern.to_str().unwrap()).unwrap();
        assert!(files.count() > 0, "{from} matches nothing");
        assert_eq!(mode, "644", "{from}");
    }
    assert!(
        places.contains(&"etc/seedwatch/"),
        "where the unit looks for it"
    );
    assert!(manifest.contains("conf-files = [\"/etc/seedwatch/config.yaml\"]"));
}
