//! Checks that the unit is hardened, valid, and uses the notifications of the daemon.

use std::fs;
use std::process::Command;

use crate::{BINARY, output_text, root, text};

const UNIT: &str = "deploy/systemd/seedwatch.service";

#[test]
fn the_unit_is_hardened() {
    seedwatch_dev_programs::skip_without!(["systemd-analyze"]);
    // The threshold is in tenths: an exposure of at most 1.5 of 10.
    let analysis = Command::new("systemd-analyze")
        .args(["security", "--offline=true", "--threshold=15", "--no-pager"])
        .arg(root(UNIT))
        .output()
        .unwrap();
    assert!(analysis.status.success(), "{}", output_text(&analysis));
}

#[test]
fn the_unit_is_valid() {
    seedwatch_dev_programs::skip_without!(["systemd-analyze"]);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("seedwatch.service");
    // The program is not installed here, and the man page neither.
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
    let report = output_text(&check);
    assert!(
        check.status.success() && !report.contains("seedwatch.service"),
        "{report}"
    );
}

#[test]
fn the_unit_uses_notifications_and_the_watchdog() {
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
