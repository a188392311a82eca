//! The daemon runs on with files that are damaged, foreign, newer, unreadable or unwritable.

use super::*;

/// Returns a directory with the state of three rounds.
async fn saved() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::start(folder.path(), Unix(START)).await;
    run.table = vec![Contact {
        id: seedwatch_dht::NodeId([7; 20]),
        address: "192.0.2.9:6881".parse().unwrap(),
    }];
    for _ in 0..3 {
        run.probe();
    }
    run.save().await;
    folder
}

const SAVED: Unix = Unix(START + 3 * ROUND);

/// Returns the names of quarantined files.
pub(super) fn quarantined(folder: &Path) -> Vec<String> {
    let mut names = names(folder);
    names.retain(|name| name.contains(".bad-"));
    names
}

/// Damages a file in many ways, and checks the start after each of them.
pub(super) async fn for_each_damage(section: &str, mut check: impl AsyncFnMut(&str, &Path, Run)) {
    let folder = saved().await;
    let path = folder.path().join(format!("{section}.state"));
    let whole = fs::read(&path).unwrap();
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let ways: [(&str, &[u8]); 6] = [
        ("empty", b""),
        ("truncated", &whole[..whole.len() / 2]),
        ("almost whole", &whole[..whole.len() - 1]),
        ("flipped", &flipped),
        ("foreign", b"#!/bin/sh\n"),
        ("zeros", &[0; 4096]),
    ];
    for (way, bytes) in ways {
        let folder = saved().await;
        fs::write(folder.path().join(format!("{section}.state")), bytes).unwrap();
        let run = Run::start(folder.path(), SAVED).await;
        check(way, folder.path(), run).await;
    }
    for (way, version, payload) in [("newer", 9, &b""[..]), ("invalid payload", 1, &[0xff; 99])] {
        let folder = saved().await;
        let store = Store::at(folder.path());
        store.save(section, version, payload).unwrap();
        let run = Run::start(folder.path(), SAVED).await;
        check(way, folder.path(), run).await;
    }
    // A directory replaces the file.
    let folder = saved().await;
    let path = folder.path().join(format!("{section}.state"));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let run = Run::start(folder.path(), SAVED).await;
    check("directory", folder.path(), run).await;
}

#[tokio::test]
async fn torrents_in_an_unreadable_file_start_without_history() {
    for_each_damage("torrents-1-0", async |way, folder, mut run| {
        assert_eq!(run.minima(), (None, 0), "{way}");
        let files = quarantined(folder);
        assert_eq!(files.len(), 1, "{way}: {files:?}");
        assert!(files[0].starts_with("torrents-1-0.bad-"), "{way}");
        // The sets of collections are in another file.
        let month = Window::Month.index();
        let collection = run.snapshot().collections[0].unique[month];
        assert_eq!(collection.get(), None, "{way}: no answer yet");
        run.probe();
        let collection = run.snapshot().collections[0].unique[month];
        assert_eq!(collection.get(), Some(4), "{way}");
        run.save().await;
        assert_eq!(run.writer.row().unwrap().failures, 0, "{way}");
        run.release();
        let mut again = Run::start(folder, run.now.unix).await;
        assert_eq!(again.minima().1, 1, "{way}");
    })
    .await;
}

#[tokio::test]
async fn lost_shared_sets_are_rebuilt_from_torrents() {
    for_each_damage("shared-1-0", async |way, folder, mut run| {
        assert_eq!(run.minima(), (Some(SAVED), 3), "{way}");
        assert_eq!(quarantined(folder).len(), 1, "{way}");
        run.probe();
        assert_eq!(run.minima().1, 4, "{way}");
        // A peer of any torrent is a peer of all torrents.
        let all = run.snapshot().totals.unique[Window::Month.index()];
        assert_eq!(all.get(), Some(4), "{way}");
        run.save().await;
        run.release();
        let mut again = Run::start(folder, run.now.unix).await;
        assert_eq!(again.minima().1, 4, "{way}");
    })
    .await;
}

#[tokio::test]
async fn losing_trackers_nodes_or_cliffs_keeps_torrents() {
    for section in ["trackers", "dht", "cliffs-1-0"] {
        for_each_damage(section, async |way, folder, mut run| {
            assert_eq!(run.minima(), (Some(SAVED), 3), "{way}");
            assert_eq!(quarantined(folder).len(), 1, "{section} {way}");
            assert_eq!(run.table.is_empty(), section == "dht", "{way}");
        })
        .await;
    }
}

/// Version 1 had fixed lengths. Its bytes must not be read as those of today.
#[tokio::test]
async fn trackers_of_an_earlier_version_are_quarantined() {
    let folder = saved().await;
    let store = Store::at(folder.path());
    let (section, version) = TRACKERS;
    let (found, payload) = store.load(section, version).unwrap().unwrap();
    assert_eq!(found, version);
    store.save(section, version - 1, &payload).unwrap();
    let mut run = Run::start(folder.path(), SAVED).await;
    assert_eq!(run.minima(), (Some(SAVED), 3));
    let files = quarantined(folder.path());
    assert!(
        files.len() == 1 && files[0].starts_with("trackers.bad-"),
        "{files:?}"
    );
}

#[tokio::test]
async fn losing_the_key_quarantines_all_sets() {
    for_each_damage("key", async |way, folder, mut run| {
        assert_eq!(run.minima(), (None, 0), "{way}");
        let files = quarantined(folder);
        let of = |section: &str| {
            files
                .iter()
                .filter(|name| name.starts_with(section))
                .count()
        };
        let counts = ["key.", "cliffs-1-0.", "shared-1-0.", "torrents-1-0."].map(of);
        assert_eq!((counts, files.len()), ([1; 4], 4), "{way}: {files:?}");
        assert!(!run.table.is_empty(), "{way}: nodes are not hashed");
        run.probe();
        run.save().await;
        assert_eq!(run.writer.row().unwrap().failures, 0, "{way}");
        run.release();
        let mut again = Run::start(folder, run.now.unix).await;
        assert_eq!(again.minima().1, 1, "{way}");
        assert_eq!(again.writer.key(), run.writer.key());
    })
    .await;
}

#[tokio::test]
async fn files_of_another_installation_are_quarantined() {
    let (ours, theirs) = (saved().await, saved().await);
    for file in ["shared-1-0.state", "torrents-1-0.state"] {
        fs::copy(theirs.path().join(file), ours.path().join(file)).unwrap();
    }
    let mut run = Run::start(ours.path(), SAVED).await;
    assert_eq!(run.minima(), (None, 0));
    assert_eq!(quarantined(ours.path()).len(), 2);
    // Without their key, the other files are useless.
    fs::remove_file(theirs.path().join("key.state")).unwrap();
    let mut run = Run::start(theirs.path(), SAVED).await;
    assert_eq!(run.minima(), (None, 0));
    assert_eq!(quarantined(theirs.path()).len(), 3);
}

#[tokio::test]
async fn a_directory_mounted_after_the_start_is_not_overwritten() {
    let saved = saved().await;
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("state");
    fs::write(&folder, b"in the way").unwrap();
    let mut run = Run::start(&folder, SAVED).await;
    assert_eq!(run.writer.row().unwrap().failures, 1, "reported at once");
    run.probe();
    assert_eq!(run.minima().1, 1);
    run.save().await;
    let row = run.writer.row().unwrap();
    assert_eq!((row.failures, row.last_save), (2, None));

    // The directory of another installation is mounted.
    fs::remove_file(&folder).unwrap();
    fs::rename(saved.path(), &folder).unwrap();
    let before = fs::read(folder.join("torrents-1-0.state")).unwrap();
    run.save().await;
    assert_eq!(run.writer.row().unwrap().failures, 3);
    assert_eq!(fs::read(folder.join("torrents-1-0.state")).unwrap(), before);

    // An empty directory is adopted.
    fs::remove_dir_all(&folder).unwrap();
    run.save().await;
    let row = run.writer.row().unwrap();
    assert_eq!((row.failures, row.last_save), (3, Some(run.now.unix)));
    run.release();
    let mut again = Run::start(&folder, run.now.unix).await;
    assert_eq!(again.minima(), (Some(run.now.unix), 1));
    // A removed directory is created again.
    fs::remove_dir_all(&folder).unwrap();
    again.finish().await;
    assert_eq!(again.writer.row().unwrap().failures, 0);
    assert!(names(&folder).contains(&"key.state".to_owned()));
}

#[tokio::test]
async fn a_file_that_cannot_be_replaced_does_not_block_others() {
    let folder = saved().await;
    let mut run = Run::start(folder.path(), SAVED).await;
    run.probe();
    let path = folder.path().join("trackers.state");
    fs::remove_file(&path).unwrap();
    fs::create_dir_all(path.join("full")).unwrap();
    run.finish().await;
    let row = run.writer.row().unwrap();
    assert_eq!((row.failures, row.last_save), (1, None));
    run.release();
    let mut again = Run::start(folder.path(), run.now.unix).await;
    assert_eq!(again.minima(), (Some(run.now.unix), 4));
}
