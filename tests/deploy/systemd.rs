//! The unit: hardened, understood by systemd, and in step with what the program tells.

use std::fs;
use std::process::Command;

use crate::{BINARY, root, said, text};

const UNIT: &str = "deploy/systemd/seedwatch.service";

#[test]
fn the_unit_is_hardened() {
    seedwatch_dev_programs::skip_without!(["systemd-analyze"]);
    // Tenths: 1.5 of 10.
    let analysis = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--threshold=15", "--no-pager"])
        .arg(root(UNIT))
        .output()
        .unwrap();
    assert!(analysis.status.success(), "{}", said(&analysis));
}

#[test]
fn the_unit_is_understood() {
    seedwatch_dev_programs::skip_without!(["systemd-analyze"]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("seedwatch.service");
    // The program is asked for where it is. The man page comes with the package only.
    let unit = text(UNIT)
        .replace("/usr/bin/seedwatch", BINARY)
        .replace("man:seedwatch(1) ", "");
    assert!(unit.contains(BINARY));
    fs::write(&file, unit).unwrap();
    let check = Command::new("systemd-analyze")
        .arg("verify")
        .arg(&file)
        .output()
        .unwrap();
    let said = said(&check);
    assert!(
        check.status.success() && !said.contains("seedwatch.service"),
        "{said}"
    );
}

#[test]
fn the_unit_waits_for_what_the_program_tells() {
    let unit = text(UNIT);
    for line in [
        "Type=notify",
        "WatchdogSec=60",
        "DynamicUser=yes",
        "StateDirectory=seedwatch",
    ] {
        assert!(unit.lines().any(|other| other == line), "{line}");
    }
}
