//! Names of further files, relative to the file that names them. Globs are allowed.

use std::path::{Component, Path, PathBuf};
use std::{fs, io};

use glob::{MatchOptions, Pattern, PatternError, glob_with};

use seedwatch_torrent::Magnet;

/// Most files one glob may match.
const MAX_MATCHES: usize = super::MAX_TORRENTS;

/// Directories of the kernel. They hold no metainfo files, and take long to list.
const OF_KERNEL: [&str; 3] = ["/proc", "/sys", "/dev"];

const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// Why a name stands for no files.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum GlobError {
    /// The message does not repeat the link: links of private trackers hold passkeys.
    #[error("must be the name of a file, not a link")]
    Link,
    #[error("{name}: not a valid pattern: {reason}")]
    Pattern { name: String, reason: &'static str },
    #[error("{0}: matches no file")]
    NoMatch(String),
    #[error("{0}: matches more than {MAX_MATCHES} files")]
    TooMany(String),
    #[error("{0}")]
    Unreadable(String),
}

/// Returns the files that `name` stands for, relative to the directory `base`, sorted. The name of
/// an existing file stands for that file even if it is a valid pattern: names of torrents often
/// have brackets.
pub(super) fn matching(base: &Path, name: &str) -> Result<Vec<PathBuf>, GlobError> {
    if name.contains("://") || Magnet::is_magnet(name) {
        return Err(GlobError::Link);
    }
    let literal = base.join(name);
    if !name.contains(['*', '?', '[']) || literal.exists() {
        return Ok(vec![literal]);
    }
    let mut root = base.to_owned();
    let mut rest = Path::new(name).components().peekable();
    let plain =
        |part: &Component<'_>| !part.as_os_str().to_string_lossy().contains(['*', '?', '[']);
    while let Some(part) = rest.next_if(plain) {
        root.push(part);
    }
    if fs::canonicalize(&root).is_ok_and(|path| path == Path::new("/")) {
        root = PathBuf::from("/");
    }
    let pattern = {
        let root = root.to_string_lossy();
        let separator = if root.is_empty() || root.ends_with('/') {
            ""
        } else {
            "/"
        };
        let rest = rest.collect::<PathBuf>();
        format!("{}{separator}{}", Pattern::escape(&root), rest.display())
    };
    let mut files = Vec::new();
    let mut take = |path: PathBuf| {
        if files.len() >= MAX_MATCHES {
            return Err(GlobError::TooMany(name.to_owned()));
        }
        files.push(path);
        Ok(())
    };
    let invalid = |error: PatternError| GlobError::Pattern {
        name: name.to_owned(),
        reason: error.msg,
    };
    if name.contains("**") {
        let pattern = Pattern::new(&pattern).map_err(invalid)?;
        walk(&root, &pattern, &mut take)?;
    } else {
        for pattern in below_root(&root, &pattern).map_err(invalid)? {
            expand(&pattern, &mut take).map_err(invalid)??;
        }
    }
    if files.is_empty() {
        return Err(GlobError::NoMatch(name.to_owned()));
    }
    files.sort();
    Ok(files)
}

/// Returns a pattern whose first wildcard is in the root directory with each name there, without
/// those of the kernel. Returns any other pattern as it is, or none if it is in a directory of the
/// kernel.
fn below_root(root: &Path, pattern: &str) -> Result<Vec<String>, PatternError> {
    if is_of_kernel(root) {
        return Ok(Vec::new());
    }
    let Some(rest) = pattern.strip_prefix('/').filter(|_| root == Path::new("/")) else {
        return Ok(vec![pattern.to_owned()]);
    };
    let (first, rest) = rest.split_once('/').unwrap_or((rest, ""));
    let first = Pattern::new(first)?;
    let entries = fs::read_dir(root).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let names = names.filter(|name| first.matches_with(name, OPTIONS));
    let paths = names.map(|name| Path::new("/").join(name));
    let paths = paths.filter(|path| !is_of_kernel(path));
    let with_rest = |path: PathBuf| match rest {
        "" => Pattern::escape(&path.to_string_lossy()),
        rest => format!("{}/{rest}", Pattern::escape(&path.to_string_lossy())),
    };
    Ok(paths.map(with_rest).collect())
}

/// Passes the files that a pattern without `**` stands for to `take`.
fn expand(
    pattern: &str,
    take: &mut impl FnMut(PathBuf) -> Result<(), GlobError>,
) -> Result<Result<(), GlobError>, PatternError> {
    let mut paths = glob_with(pattern, OPTIONS)?;
    Ok(paths.try_for_each(|path| {
        let path = path.map_err(|error| unreadable(error.path(), error.error()))?;
        match path.is_dir() {
            true => Ok(()),
            false => take(path),
        }
    }))
}

/// Returns whether a path leads to a directory of the kernel. Memory file systems below `/dev` are
/// ordinary directories.
fn is_of_kernel(path: &Path) -> bool {
    let path = fs::canonicalize(path);
    path.is_ok_and(|path| OF_KERNEL.iter().any(|kernel| path == Path::new(kernel)))
}

/// Passes the files below a directory that match to `take`. Links to directories are not followed:
/// in mirrors they lead back up, and every cycle would yield more files.
fn walk(
    root: &Path,
    pattern: &Pattern,
    take: &mut impl FnMut(PathBuf) -> Result<(), GlobError>,
) -> Result<(), GlobError> {
    let mut directories = vec![root.to_owned()];
    while let Some(directory) = directories.pop() {
        if is_of_kernel(&directory) {
            continue;
        }
        let here = Some(&*directory).filter(|path| !path.as_os_str().is_empty());
        let entries = match fs::read_dir(here.unwrap_or(Path::new("."))) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(unreadable(&directory, &error)),
        };
        for entry in entries {
            let entry = entry.map_err(|error| unreadable(&directory, &error))?;
            let path = directory.join(entry.file_name());
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                directories.push(path);
            } else if pattern.matches_path_with(&path, OPTIONS) && !path.is_dir() {
                take(path)?;
            }
        }
    }
    Ok(())
}

fn unreadable(path: &Path, error: &io::Error) -> GlobError {
    GlobError::Unreadable(format!("{}: cannot be read: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(base: &Path, name: &str) -> Result<Vec<String>, GlobError> {
        matching(base, name).map(|paths| {
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
            "sub/.hidden/e.torrent",
        ] {
            std::fs::create_dir_all(base.join(file).parent().unwrap()).unwrap();
            std::fs::write(base.join(file), "").unwrap();
        }
        // As in mirrors: both lead back up, and every cycle would yield more files.
        for link in ["debian", "sub/debian"] {
            std::os::unix::fs::symlink(&base, base.join(link)).unwrap();
        }
        std::os::unix::fs::symlink("b.torrent", base.join("sub/link.torrent")).unwrap();
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
                    "sub/link.torrent",
                ]),
            ),
            ("./sub/**/d.torrent", Ok(vec!["sub/d.torrent"])),
            ("debian/sub/d*.torrent", Ok(vec!["debian/sub/d.torrent"])),
            ("gone/**/*", Err(GlobError::NoMatch("gone/**/*".to_owned()))),
            ("none.torrent", Ok(vec!["none.torrent"])),
            (
                "none*.torrent",
                Err(GlobError::NoMatch("none*.torrent".to_owned())),
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

    #[test]
    fn globs_never_descend_into_directories_of_the_kernel() {
        for name in [
            "/proc/*",
            "/proc/**/status",
            "/sys/**",
            "/dev/null*",
            "/dev/**/null",
        ] {
            let expected = GlobError::NoMatch(name.to_owned());
            assert_eq!(matching(Path::new("/"), name), Err(expected), "{name}");
        }
        // Each name matches files there, and a file or none elsewhere.
        for name in ["/*/null", "/*/version", "/*/*/status", "../p*c/version"] {
            for path in matching(Path::new("/tmp"), name).unwrap_or_default() {
                let is_there = OF_KERNEL.iter().any(|kernel| path.starts_with(kernel));
                assert!(!is_there, "{}", path.display());
            }
        }
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.torrent");
        std::fs::write(&file, "").unwrap();
        let rest: Vec<_> = dir.path().components().skip(2).collect();
        let rest = rest.iter().collect::<PathBuf>();
        let name = format!("/*/{}/*.torrent", rest.display());
        assert_eq!(matching(Path::new("/"), &name), Ok(vec![file]));
    }
}
