//! Names of further files: relative to the file that names them, globs allowed.

use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern, glob_with};

use crate::torrent::Magnet;

/// Most files one glob may match.
const MAX_MATCHES: usize = super::MAX_TORRENTS;

/// Why a name leads to no files.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum GlobError {
    /// Not repeated: download links of private trackers hold passkeys.
    #[error("must be the name of a file, not a link")]
    Link,
    #[error("{name}: not a valid pattern: {reason}")]
    Pattern { name: String, reason: &'static str },
    #[error("{0}: matches no file")]
    Nothing(String),
    #[error("{0}: matches more than {MAX_MATCHES} files")]
    TooMany(String),
    #[error("{0}")]
    Unreadable(String),
}

/// The files that `name` stands for, seen from the directory `base`, sorted. A name that is a
/// file is that file even if it could be a pattern: names of torrents are full of brackets.
pub(super) fn resolve(base: &Path, name: &str) -> Result<Vec<PathBuf>, GlobError> {
    if name.contains("://") || Magnet::is_magnet(name) {
        return Err(GlobError::Link);
    }
    let literal = base.join(name);
    if !name.contains(['*', '?', '[']) || literal.exists() {
        return Ok(vec![literal]);
    }
    let pattern = if Path::new(name).is_absolute() {
        name.to_owned()
    } else {
        let base = base.to_string_lossy();
        let separator = if base.is_empty() || base.ends_with('/') {
            ""
        } else {
            "/"
        };
        format!("{}{separator}{name}", Pattern::escape(&base))
    };
    let options = MatchOptions {
        require_literal_leading_dot: true,
        ..MatchOptions::new()
    };
    let paths = glob_with(&pattern, options).map_err(|error| GlobError::Pattern {
        name: name.to_owned(),
        reason: error.msg,
    })?;
    let mut files = Vec::new();
    for path in paths {
        let path = path.map_err(|error| {
            let (path, error) = (error.path().display(), error.error());
            GlobError::Unreadable(format!("{path}: cannot be read: {error}"))
        })?;
        if path.is_dir() {
            continue;
        }
        if files.len() >= MAX_MATCHES {
            return Err(GlobError::TooMany(name.to_owned()));
        }
        files.push(path);
    }
    if files.is_empty() {
        return Err(GlobError::Nothing(name.to_owned()));
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(base: &Path, name: &str) -> Result<Vec<String>, GlobError> {
        resolve(base, name).map(|paths| {
            paths
                .iter()
                .map(|path| path.strip_prefix(base).unwrap().display().to_string())
                .collect()
        })
    }

    #[test]
    fn globs_and_names_with_brackets() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().join("odd [name]*");
        std::fs::create_dir_all(base.join("sub/deep.torrent")).unwrap();
        for file in [
            "b.torrent",
            "a.torrent",
            "[a] x.torrent",
            "c.txt",
            "sub/d.torrent",
            ".h.torrent",
        ] {
            std::fs::write(base.join(file), "").unwrap();
        }
        for (name, expected) in [
            (
                "*.torrent",
                Ok(vec!["[a] x.torrent", "a.torrent", "b.torrent"]),
            ),
            ("[ab].torrent", Ok(vec!["a.torrent", "b.torrent"])),
            ("[a] x.torrent", Ok(vec!["[a] x.torrent"])),
            (
                "**/*.torrent",
                Ok(vec![
                    "[a] x.torrent",
                    "a.torrent",
                    "b.torrent",
                    "sub/d.torrent",
                ]),
            ),
            ("none.torrent", Ok(vec!["none.torrent"])),
            (
                "none*.torrent",
                Err(GlobError::Nothing("none*.torrent".to_owned())),
            ),
            ("https://t.example/x.torrent", Err(GlobError::Link)),
            ("Magnet:?xt=x", Err(GlobError::Link)),
        ] {
            let expected = expected.map(|names| names.into_iter().map(str::to_owned).collect());
            assert_eq!(names(&base, name), expected, "{name}");
        }
        assert!(matches!(
            names(&base, "a***b"),
            Err(GlobError::Pattern { .. })
        ));
    }
}
