//! Checks that the files shipped beside the program fit the program and each other.
//!
//! `deploy/demo/test` runs the demo itself.

#![expect(clippy::unwrap_used, reason = "a test fails where its helpers do")]

mod compose;
mod documents;
mod hosts;
mod image;
mod kubernetes;
mod package;
mod systemd;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

const BINARY: &str = env!("CARGO_BIN_EXE_seedwatch");

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn text(path: &str) -> String {
    fs::read_to_string(root(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&text(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn strings(list: &Value) -> Vec<&str> {
    let list = list.as_array().into_iter().flatten();
    list.map(|item| item.as_str().unwrap()).collect()
}

fn output_text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

#[test]
fn the_shipped_configurations_are_valid() {
    for file in [
        "deploy/seedwatch/config.yaml",
        "deploy/kubernetes/config.yaml",
    ] {
        let mut check = Command::new(BINARY);
        let output = check
            .arg("--config.file")
            .arg(root(file))
            .arg("--config.check")
            .output();
        let output = output.unwrap();
        assert!(output.status.success(), "{file}: {}", output_text(&output));
        let state = yaml(file)["state"]["path"].clone();
        assert_eq!(
            state, "/var/lib/seedwatch",
            "{file}: the only writable directory"
        );
    }
}
