//! The programs that `tests/all` installs.

use std::path::PathBuf;

/// The programs and facilities that tests with real servers and network namespaces need.
pub(crate) const SERVERS: [&str; 12] = [
    "opentracker",
    "bittorrent-tracker",
    "aquatic_udp",
    "transmission-daemon",
    "libtorrent",
    "prometheus",
    "promtool",
    "prometheus-alertmanager",
    "nginx",
    "ip",
    "nft",
    "network namespaces",
];

/// The programs that seed what a feed names.
pub(crate) const HELPERS: [&str; 2] = ["qbittorrent-nox", "flexget"];

/// Returns the path of a file or directory in the cache of `tests/all`.
pub(crate) fn cached(path: &str) -> PathBuf {
    let path = seedwatch_dev_programs::cached(path);
    assert!(path.exists(), "{path:?} is missing: run tests/all once");
    path
}
