//! Where `tests/all` puts what the tests need.

use std::path::PathBuf;

/// A file or folder in the cache of `tests/all`.
pub(crate) fn cached(path: &str) -> PathBuf {
    let root = std::env::var_os("SEEDWATCH_TEST_CACHE").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache/seedwatch-tests"),
        PathBuf::from,
    );
    let path = root.join(path);
    assert!(path.exists(), "{path:?} is missing: run tests/all once");
    path
}
