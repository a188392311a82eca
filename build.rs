//! Tells a release build the revision of the source, for `--version` and `seedwatch_build_info`.
//!
//! `SEEDWATCH_REVISION` in the environment wins. Without it, a release build asks git; other builds
//! do not, so that a commit does not rebuild the crate.

use std::env;
use std::process::Command;

/// The variable that the crate reads with `option_env!`.
const VARIABLE: &str = "SEEDWATCH_REVISION";

fn main() {
    println!("cargo::rerun-if-env-changed={VARIABLE}");
    println!("cargo::rerun-if-changed=build.rs");
    let is_release = env::var("PROFILE").is_ok_and(|profile| profile == "release");
    if !is_release || env::var_os(VARIABLE).is_some() {
        return;
    }
    // Every commit and checkout appends to this log.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo::rerun-if-changed={log}");
    }
    if let Some(revision) = git(&["rev-parse", "--short=12", "HEAD"]) {
        println!("cargo::rustc-env={VARIABLE}={revision}");
    }
}

/// Returns the answer of git, or `None` without git or outside of a repository.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success() && !text.trim().is_empty()).then(|| text.trim().to_owned())
}
