//! Names of further files: relative to the file that names them, globs allowed.

use std::path::{Path, PathBuf};

use glob::{MatchOptions, Pattern, glob_with};

/// Most files one glob may match.
const MAX_MATCHES: usize = super::MAX_TORRENTS;

/// Why a name leads to no files.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum GlobError {
    #[error("not a valid pattern: {0}")]
    Pattern(&'static str),
    #[error("matches no file")]
    Nothing,
    #[error("matches more than {MAX_MATCHES} files")]
    TooMany,
    #[error("{0}")]
    Unreadable(String),
}

/// The files that `name` stands for, seen from the directory `base`, sorted. A name that is a
/// file is that file even if it could be a pattern: names of torrents are full of brackets.
pub(super) fn resolve(base: &Path, name: &str) -> Result<Vec<PathBuf>, GlobError> {
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
    let paths = glob_with(&pattern, options).map_err(|error| GlobError::Pattern(error.msg))?;
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
            return Err(GlobError::TooMany);
        }
        files.push(path);
    }
    if files.is_empty() {
        return Err(GlobError::Nothing);
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
            ("none*.torrent", Err(GlobError::Nothing)),
        ] {
            let expected = expected.map(|names| names.into_iter().map(str::to_owned).collect());
            assert_eq!(names(&base, name), expected, "{name}");
        }
        assert!(matches!(names(&base, "a***b"), Err(GlobError::Pattern(_))));
    }
}
