//! The store on a real file system.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use super::*;
use seedwatch_clock::Clock;
use seedwatch_dht::NodeId;
use seedwatch_distinct::Key;

fn contact(id: u8, address: &str) -> Contact {
    Contact {
        id: NodeId([id; 20]),
        address: address.parse().unwrap(),
    }
}

fn open(folder: &Path) -> Store {
    let store = Store::at(folder);
    store.prepare().unwrap();
    store
}

fn contacts() -> Vec<Contact> {
    vec![
        contact(1, "192.0.2.1:6881"),
        contact(2, "[2001:db8::1]:6881"),
    ]
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Returns why a file cannot be used, and whether it was quarantined.
fn file_error(error: Option<StoreError>) -> (FileError, bool) {
    match error {
        Some(StoreError::File {
            why, quarantined, ..
        }) => (why, quarantined.is_some_and(|path| path.exists())),
        other => panic!("{other:?}"),
    }
}

#[test]
fn nodes_are_saved_and_loaded() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("a/b");
    let store = open(&folder);
    let (nothing, error) = store.load_table();
    assert!(nothing.is_empty() && error.is_none());
    store.save_table(&contacts()[..1]).unwrap();
    store.save_table(&contacts()).unwrap();

    drop(store);
    let (loaded, error) = open(&folder).load_table();
    assert_eq!(loaded, contacts());
    assert!(error.is_none());
    assert_eq!(names(&folder), ["dht.state"]);
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&folder), 0o700);
    assert_eq!(mode(&folder.join("dht.state")), 0o600);
}

#[test]
fn an_interrupted_save_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store.save_table(&contacts()).unwrap();
    fs::write(folder.path().join("dht.new"), b"seedwatch sta").unwrap();
    assert_eq!(store.load_table().0, contacts());
    store.save_table(&contacts()[1..]).unwrap();
    assert_eq!(store.load_table().0, contacts()[1..]);
    assert_eq!(names(folder.path()), ["dht.state"]);
}

#[test]
fn a_damaged_file_is_quarantined() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let path = folder.path().join("dht.state");
    store.save_table(&contacts()).unwrap();
    let whole = fs::read(&path).unwrap();
    for end in 0..whole.len() {
        fs::write(&path, &whole[..end]).unwrap();
        let (loaded, error) = store.load_table();
        assert!(loaded.is_empty());
        assert!(
            matches!(file_error(error), (FileError::Damaged, true)),
            "{end}"
        );
        assert!(!path.exists());
    }
    fs::write(&path, b"# something else").unwrap();
    assert!(matches!(
        file_error(store.load_table().1),
        (FileError::Foreign, true)
    ));
    fs::create_dir(&path).unwrap();
    assert!(matches!(
        file_error(store.load_table().1),
        (FileError::NotAFile, _)
    ));
    // The next load finds no file and reports no error.
    let _ = fs::remove_dir(&path);
    assert!(store.load_table().1.is_none());
    store.save_table(&contacts()).unwrap();
    assert_eq!(store.load_table().0, contacts());
}

#[test]
fn newer_versions_and_invalid_payloads_are_quarantined() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store.save("dht", table::VERSION + 1, b"").unwrap();
    let (why, is_quarantined) = file_error(store.load_table().1);
    assert!(
        matches!(why, FileError::Newer { .. }) && is_quarantined,
        "{why}"
    );
    store.save("dht", table::VERSION, b"no table").unwrap();
    assert!(matches!(
        file_error(store.load_table().1),
        (FileError::Content, true)
    ));
    // A file of another section under this name.
    store.save("other", 1, b"\0\0").unwrap();
    assert_eq!(store.load("other", 1).unwrap(), Some((1, b"\0\0".to_vec())));
    fs::rename(
        folder.path().join("other.state"),
        folder.path().join("dht.state"),
    )
    .unwrap();
    assert!(matches!(
        file_error(store.load_table().1),
        (FileError::Damaged, true)
    ));
}

#[test]
fn the_latest_quarantined_files_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for old in [
        "dht.bad-7",
        "dht.bad-1000",
        "dht.bad-900",
        "dht.bad-x",
        "other.bad-1",
    ] {
        fs::write(folder.path().join(old), b"").unwrap();
    }
    fs::write(folder.path().join("dht.state"), b"").unwrap();
    let (_, error) = store.load_table();
    let text = error.as_ref().unwrap().to_string();
    let Some(StoreError::File {
        quarantined: Some(path),
        ..
    }) = error
    else {
        panic!("{text}");
    };
    assert!(
        text.contains("damaged") && text.contains(path.to_str().unwrap()),
        "{text}"
    );
    let latest = path.file_name().unwrap().to_str().unwrap();
    assert_eq!(
        names(folder.path()),
        [
            "dht.bad-1000",
            latest,
            "dht.bad-900",
            "dht.bad-x",
            "other.bad-1"
        ]
    );
}

#[test]
fn a_directory_is_locked_for_one_process() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("state");
    let first = open(&folder);
    let second = Store::at(&folder);
    let error = second.prepare().unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
    // Preparing again keeps the lock.
    first.prepare().unwrap();
    assert!(second.prepare().is_err());
    drop(first);
    second.prepare().unwrap();
}

#[test]
fn an_unusable_directory_is_an_error() {
    let parent = tempfile::tempdir().unwrap();
    let file = parent.path().join("file");
    fs::write(&file, b"").unwrap();
    for folder in [file.clone(), file.join("below")] {
        let error = Store::at(&folder).prepare().unwrap_err();
        assert!(matches!(error, StoreError::Folder { .. }), "{error}");
        assert!(error.to_string().contains("file"));
    }
    // The directory is removed while it is in use.
    let folder = parent.path().join("state");
    let store = open(&folder);
    fs::remove_dir(&folder).unwrap();
    assert!(matches!(
        store.save_table(&contacts()),
        Err(StoreError::Save { .. })
    ));
    assert!(store.load_table().1.is_none());
    // A failed replacement leaves no temporary file.
    let store = open(&folder);
    fs::create_dir_all(folder.join("dht.state/full")).unwrap();
    assert!(matches!(
        store.save_table(&contacts()),
        Err(StoreError::Save { .. })
    ));
    assert_eq!(names(&folder), ["dht.state"]);
}

#[test]
fn a_file_that_is_too_long_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let path = folder.path().join("dht.state");
    let file = fs::File::create(&path).unwrap();
    file.set_len(file::MAX_FILE as u64 + 1).unwrap(); // sparse: it takes no space
    assert!(matches!(
        file_error(store.load_table().1),
        (FileError::TooLong, true)
    ));
}

#[test]
fn peeking_changes_nothing() {
    let parent = tempfile::tempdir().unwrap();
    let missing = parent.path().join("none");
    assert!(peek_table(&missing).is_empty() && !missing.exists());
    let store = open(parent.path());
    store.save_table(&contacts()).unwrap();
    assert_eq!(peek_table(parent.path()), contacts());
    fs::write(parent.path().join("dht.state"), b"torn").unwrap();
    assert!(peek_table(parent.path()).is_empty());
    assert_eq!(names(parent.path()), ["dht.state"]);
}

#[test]
fn a_key_is_written_once_and_never_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let (ours, other) = (Key::new([1; 16]), Key::new([2; 16]));
    assert_eq!(store.load_key().unwrap(), None);
    store.claim(&ours).unwrap();
    let path = folder.path().join("key.state");
    let inode = |path: &Path| fs::metadata(path).unwrap().ino();
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    let first = inode(&path);
    store.claim(&ours).unwrap();
    assert_eq!(inode(&path), first, "not written again");
    let error = store.claim(&other).unwrap_err();
    assert!(matches!(error, StoreError::OtherKey { .. }), "{error}");
    assert_eq!(store.load_key().unwrap(), Some(ours.clone()));

    // The key file is removed or damaged while the key is known.
    fs::remove_file(&path).unwrap();
    store.claim(&ours).unwrap();
    fs::write(&path, b"torn").unwrap();
    store.claim(&ours).unwrap();
    assert_eq!(store.load_key().unwrap(), Some(ours));
    store.save("key", 1, b"too short").unwrap();
    let error = store.load_key().unwrap_err();
    assert!(matches!(
        file_error(Some(error)),
        (FileError::Content, true)
    ));
}

#[test]
fn sections_are_listed_and_removed() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("state");
    assert!(Store::at(&folder).sections().unwrap().is_empty());
    let store = open(&folder);
    for section in ["torrents-2-1", "dht", "torrents-2-0"] {
        store.save(section, 1, b"").unwrap();
    }
    fs::write(folder.join("dht.new"), b"").unwrap();
    assert_eq!(
        store.sections().unwrap(),
        ["dht", "torrents-2-0", "torrents-2-1"]
    );
    store.remove("torrents-2-0").unwrap();
    assert!(store.remove("torrents-2-0").is_err());
    assert_eq!(store.sections().unwrap(), ["dht", "torrents-2-1"]);
    let file = Store::at(&folder.join("dht.state")).sections();
    assert!(matches!(file, Err(StoreError::Folder { .. })));
}

/// A start may quarantine files over several seconds.
#[test]
fn files_quarantined_by_one_process_are_kept_together() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let now = Clock::start().now().unix.0;
    for part in 0..5 {
        let name = format!("torrents-8-{part}.bad-{}", now + 1 + part);
        fs::write(folder.path().join(name), b"").unwrap();
    }
    store.save("torrents-8-7", 1, b"").unwrap();
    store.reject("torrents-8-7", FileError::Content);
    let names = names(folder.path());
    assert_eq!(names.len(), 6, "{names:?}");
}

#[test]
fn shards_are_quarantined_and_removed_together() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for old in ["torrents-2-0", "torrents-2-1", "torrents-1-0"] {
        for time in [7, 8, 9] {
            fs::write(folder.path().join(format!("{old}.bad-{time}")), b"").unwrap();
        }
    }
    store.save("torrents-4-3", 1, b"").unwrap();
    store.reject("torrents-4-3", FileError::Content);
    let names = names(folder.path());
    assert_eq!(names.len(), 7, "{names:?}");
    assert!(!names.iter().any(|name| name.ends_with("bad-7")));
    assert!(names[6].starts_with("torrents-4-3.bad-"), "{names:?}");
}
