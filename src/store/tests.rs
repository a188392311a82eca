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

/// What is wrong, and whether it was put aside.
fn bad(error: Option<StoreError>) -> (Bad, bool) {
    match error {
        Some(StoreError::Bad { why, aside, .. }) => (why, aside.is_some_and(|path| path.exists())),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_table_survives() {
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
fn a_save_that_was_cut_short_harms_nobody() {
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
fn a_bad_file_is_put_aside() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let path = folder.path().join("dht.state");
    store.save_table(&contacts()).unwrap();
    let whole = fs::read(&path).unwrap();
    for end in 0..whole.len() {
        fs::write(&path, &whole[..end]).unwrap();
        let (loaded, error) = store.load_table();
        assert!(loaded.is_empty());
        assert!(matches!(bad(error), (Bad::Torn, true)), "{end}");
        assert!(!path.exists());
    }
    fs::write(&path, b"# something else").unwrap();
    assert!(matches!(bad(store.load_table().1), (Bad::Foreign, true)));
    fs::create_dir(&path).unwrap();
    assert!(matches!(bad(store.load_table().1), (Bad::NotAFile, _)));
    // Next time there is nothing to complain of.
    let _ = fs::remove_dir(&path);
    assert!(store.load_table().1.is_none());
    store.save_table(&contacts()).unwrap();
    assert_eq!(store.load_table().0, contacts());
}

#[test]
fn a_later_version_and_another_content_are_put_aside() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store.save("dht", table::VERSION + 1, b"").unwrap();
    let (why, aside) = bad(store.load_table().1);
    assert!(matches!(why, Bad::Newer { .. }) && aside, "{why}");
    store.save("dht", table::VERSION, b"no table").unwrap();
    assert!(matches!(bad(store.load_table().1), (Bad::Content, true)));
    // A file of another section under this name.
    store.save("other", 1, b"\0\0").unwrap();
    assert_eq!(store.load("other", 1).unwrap(), Some((1, b"\0\0".to_vec())));
    fs::rename(
        folder.path().join("other.state"),
        folder.path().join("dht.state"),
    )
    .unwrap();
    assert!(matches!(bad(store.load_table().1), (Bad::Torn, true)));
}

#[test]
fn the_latest_bad_files_are_kept() {
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
    let Some(StoreError::Bad {
        aside: Some(aside), ..
    }) = error
    else {
        panic!("{text}");
    };
    assert!(
        text.contains("damaged") && text.contains(aside.to_str().unwrap()),
        "{text}"
    );
    let latest = aside.file_name().unwrap().to_str().unwrap();
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
fn a_directory_is_for_one_at_a_time() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("state");
    let first = open(&folder);
    let second = Store::at(&folder);
    let error = second.prepare().unwrap_err();
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
    // To look again loses nothing.
    first.prepare().unwrap();
    assert!(second.prepare().is_err());
    drop(first);
    second.prepare().unwrap();
}

#[test]
fn a_directory_that_cannot_be_used_is_an_error() {
    let parent = tempfile::tempdir().unwrap();
    let file = parent.path().join("file");
    fs::write(&file, b"").unwrap();
    for folder in [file.clone(), file.join("below")] {
        let error = Store::at(&folder).prepare().unwrap_err();
        assert!(matches!(error, StoreError::Folder { .. }), "{error}");
        assert!(error.to_string().contains("file"));
    }
    // It goes away while we use it.
    let folder = parent.path().join("state");
    let store = open(&folder);
    fs::remove_dir(&folder).unwrap();
    assert!(matches!(
        store.save_table(&contacts()),
        Err(StoreError::Save { .. })
    ));
    assert!(store.load_table().1.is_none());
    // A file that cannot be replaced leaves no half one behind.
    let store = open(&folder);
    fs::create_dir_all(folder.join("dht.state/full")).unwrap();
    assert!(matches!(
        store.save_table(&contacts()),
        Err(StoreError::Save { .. })
    ));
    assert_eq!(names(&folder), ["dht.state"]);
}

#[test]
fn a_file_without_end_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let path = folder.path().join("dht.state");
    let file = fs::File::create(&path).unwrap();
    file.set_len(file::MAX_FILE as u64 + 1).unwrap(); // a hole: it takes no space
    assert!(matches!(bad(store.load_table().1), (Bad::TooLong, true)));
}

#[test]
fn who_only_looks_changes_nothing() {
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
fn a_key_is_written_once_and_guarded() {
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

    // It goes, or goes bad, while we know it.
    fs::remove_file(&path).unwrap();
    store.claim(&ours).unwrap();
    fs::write(&path, b"torn").unwrap();
    store.claim(&ours).unwrap();
    assert_eq!(store.load_key().unwrap(), Some(ours));
    store.save("key", 1, b"too short").unwrap();
    let error = store.load_key().unwrap_err();
    assert!(matches!(bad(Some(error)), (Bad::Content, true)));
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

/// A start may take seconds over many of them.
#[test]
fn what_one_process_puts_aside_stays() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    let now = Clock::start().now().unix.0;
    for part in 0..5 {
        let aside = format!("torrents-8-{part}.bad-{}", now + 1 + part);
        fs::write(folder.path().join(aside), b"").unwrap();
    }
    store.save("torrents-8-7", 1, b"").unwrap();
    store.reject("torrents-8-7", Bad::Content);
    let names = names(folder.path());
    assert_eq!(names.len(), 6, "{names:?}");
}

#[test]
fn parts_are_put_aside_and_forgotten_together() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    for old in ["torrents-2-0", "torrents-2-1", "torrents-1-0"] {
        for time in [7, 8, 9] {
            fs::write(folder.path().join(format!("{old}.bad-{time}")), b"").unwrap();
        }
    }
    store.save("torrents-4-3", 1, b"").unwrap();
    store.reject("torrents-4-3", Bad::Content);
    let names = names(folder.path());
    assert_eq!(names.len(), 7, "{names:?}");
    assert!(!names.iter().any(|name| name.ends_with("bad-7")));
    assert!(names[6].starts_with("torrents-4-3.bad-"), "{names:?}");
}
