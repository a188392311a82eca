//! Skips tests whose programs are not installed, so that `cargo test` passes without them.
//!
//! `tests/all` installs every program and sets `SEEDWATCH_TESTS=all`; nothing is skipped then, and
//! a missing program fails its tests.
//!
//! ```
//! fn promtool_accepts_the_page() {
//!     seedwatch_dev_programs::skip_without!(["promtool"]);
//!     // Here, promtool is installed.
//! }
//! ```

use std::collections::BTreeMap;
use std::env;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

/// The variable that makes a missing program a failure: its value is `all`.
const DEMAND: &str = "SEEDWATCH_TESTS";

/// Returns from the test if one of these programs is missing, and prints that it was skipped.
///
/// A program is a name to look for in `PATH`, or one of these: `libtorrent`, the Python module;
/// `bittorrent-tracker`, `axe-core`, `aquatic_udp`, `flexget` and `schemathesis`, which `tests/all`
/// puts into its cache; `network namespaces`, the permission to make them.
#[macro_export]
macro_rules! skip_without {
    ($programs:expr) => {
        if $crate::is_skipped(&$programs) {
            return;
        }
    };
}

/// Returns whether one of the programs is missing and may be, and prints which.
pub fn is_skipped(programs: &[&str]) -> bool {
    if env::var_os(DEMAND).is_some_and(|value| value == "all") {
        return false;
    }
    let missing: Vec<&str> = programs
        .iter()
        .copied()
        .filter(|program| !is_installed(program))
        .collect();
    if missing.is_empty() {
        return false;
    }
    let thread = std::thread::current();
    let line = format!(
        "skipped {}: tests/all installs {}\n",
        thread.name().unwrap_or("a test"),
        missing.join(", ")
    );
    // Not `eprint!`, which the harness hides for tests that pass. Without standard error, the test
    // is skipped silently.
    let _ = std::io::stderr().write_all(line.as_bytes());
    true
}

/// Returns the path of a file or directory in the cache of `tests/all`.
pub fn cached(path: &str) -> PathBuf {
    let root = env::var_os("SEEDWATCH_TEST_CACHE").map_or_else(
        || PathBuf::from(env::var_os("HOME").unwrap_or_default()).join(".cache/seedwatch-tests"),
        PathBuf::from,
    );
    root.join(path)
}

fn is_installed(program: &str) -> bool {
    static KNOWN: Mutex<BTreeMap<String, bool>> = Mutex::new(BTreeMap::new());
    let Ok(mut known) = KNOWN.lock() else {
        return false;
    };
    if let Some(installed) = known.get(program) {
        return *installed;
    }
    let installed = look_for(program);
    known.insert(program.to_owned(), installed);
    installed
}

fn look_for(program: &str) -> bool {
    match program {
        "libtorrent" => succeeds("/usr/bin/python3", &["-c", "import libtorrent"]),
        "bittorrent-tracker" => is_in_path("node") && cached("npm/node_modules").exists(),
        "axe-core" => is_in_path("node") && cached("npm/node_modules/axe-core").exists(),
        "aquatic_udp" => cached("cargo/bin/aquatic_udp").exists(),
        "schemathesis" => cached("python/schemathesis/pins.txt").exists(),
        "flexget" => cached("flexget/bin/flexget").exists(),
        "network namespaces" => {
            succeeds("unshare", &["--net", "--mount", "true"])
                || succeeds("unshare", &["--net", "--mount", "--map-root-user", "true"])
        }
        program => is_in_path(program),
    }
}

/// Returns whether `PATH` has the program, or the directories where Debian keeps some servers.
fn is_in_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let usual = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    env::split_paths(&path)
        .chain(usual)
        .any(|folder| is_file(&folder.join(program)))
}

fn is_file(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file())
}

fn succeeds(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_looked_for_where_they_are() {
        assert!(look_for("sh"));
        assert!(!look_for("a program that does not exist"));
    }
}
