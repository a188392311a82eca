//! Files that are torn, foreign, newer, or cannot be read or written: the daemon runs on.

use super::*;

/// A folder with a state of three rounds in it.
async fn saved() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::start(folder.path(), Unix(START)).await;
    run.table = vec![Contact {
        id: seedwatch_dht::NodeId([7; 20]),
        address: "192.0.2.9:6881".parse().unwrap(),
    }];
    for _ in 0..3 {
        run.hear();
    }
    run.save().await;
    folder
}

const SAVED: Unix = Unix(START + 3 * ROUND);

fn aside(folder: &Path) -> Vec<String> {
    let mut names = names(folder);
    names.retain(|name| name.contains(".bad-"));
    names
}

/// Ruins a file in many ways; says after each what a start makes of it.
async fn ruined(section: &str, mut check: impl AsyncFnMut(&str, &Path, Run)) {
    let folder = saved().await;
    let path = folder.path().join(format!("{section}.state"));
    let whole = fs::read(&path).unwrap();
    let mut flipped = whole.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let ways: [(&str, &[u8]); 6] = [
        ("empty", b""),
        ("cut off", &whole[..whole.len() / 2]),
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
    for (way, version, payload) in [("newer", 9, &b""[..]), ("nonsense", 1, &[0xff; 99])] {
        let folder = saved().await;
        let store = Store::at(folder.path());
        store.save(section, version, payload).unwrap();
        let run = Run::start(folder.path(), SAVED).await;
        check(way, folder.path(), run).await;
    }
    // A directory in the place of a file.
    let folder = saved().await;
    let path = folder.path().join(format!("{section}.state"));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let run = Run::start(folder.path(), SAVED).await;
    check("directory", folder.path(), run).await;
}

#[tokio::test]
async fn torrents_that_cannot_be_read_begin_anew() {
    ruined("torrents-1-0", async |way, folder, mut run| {
        assert_eq!(run.oldest(), (None, 0), "{way}");
        let aside = aside(folder);
        assert_eq!(aside.len(), 1, "{way}: {aside:?}");
        assert!(aside[0].starts_with("torrents-1-0.bad-"), "{way}");
        // What is of all of them stands in another file.
        let month = Window::Month.index();
        let collection = run.picture().collections[0].unique[month];
        assert_eq!(collection.get(), None, "{way}: no answer known");
        run.hear();
        let collection = run.picture().collections[0].unique[month];
        assert_eq!(collection.get(), Some(4), "{way}");
        run.save().await;
        assert_eq!(run.state_writer.row().unwrap().failures, 0, "{way}");
        run.leave();
        let mut again = Run::start(folder, run.now.unix).await;
        assert_eq!(again.oldest().1, 1, "{way}");
    })
    .await;
}

#[tokio::test]
async fn what_torrents_share_may_be_lost_alone() {
    ruined("fleet-1-0", async |way, folder, mut run| {
        assert_eq!(run.oldest(), (Some(SAVED), 3), "{way}");
        assert_eq!(aside(folder).len(), 1, "{way}");
        run.hear();
        assert_eq!(run.oldest().1, 4, "{way}");
        // Whoever was seen of a torrent was seen of all of them.
        let fleet = run.picture().totals.unique[Window::Month.index()];
        assert_eq!(fleet.get(), Some(4), "{way}");
        run.save().await;
        run.leave();
        let mut again = Run::start(folder, run.now.unix).await;
        assert_eq!(again.oldest().1, 4, "{way}");
    })
    .await;
}

#[tokio::test]
async fn trackers_and_nodes_may_be_lost_alone() {
    for section in ["trackers", "dht"] {
        ruined(section, async |way, folder, mut run| {
            assert_eq!(run.oldest(), (Some(SAVED), 3), "{way}");
            assert_eq!(aside(folder).len(), 1, "{section} {way}");
            assert_eq!(run.table.is_empty(), section == "dht", "{way}");
        })
        .await;
    }
}

#[tokio::test]
async fn without_its_key_nothing_that_was_hashed_is_of_use() {
    ruined("key", async |way, folder, mut run| {
        assert_eq!(run.oldest(), (None, 0), "{way}");
        let aside = aside(folder);
        let of = |section: &str| {
            aside
                .iter()
                .filter(|name| name.starts_with(section))
                .count()
        };
        let counts = ["key.", "fleet-1-0.", "torrents-1-0."].map(of);
        assert_eq!((counts, aside.len()), ([1; 3], 3), "{way}: {aside:?}");
        assert!(!run.table.is_empty(), "{way}: nodes are not hashed");
        run.hear();
        run.save().await;
        assert_eq!(run.state_writer.row().unwrap().failures, 0, "{way}");
        run.leave();
        let mut again = Run::start(folder, run.now.unix).await;
        assert_eq!(again.oldest().1, 1, "{way}");
        assert_eq!(again.state_writer.key(), run.state_writer.key());
    })
    .await;
}

#[tokio::test]
async fn files_of_another_installation_are_put_aside() {
    let (ours, theirs) = (saved().await, saved().await);
    for file in ["fleet-1-0.state", "torrents-1-0.state"] {
        fs::copy(theirs.path().join(file), ours.path().join(file)).unwrap();
    }
    let mut run = Run::start(ours.path(), SAVED).await;
    assert_eq!(run.oldest(), (None, 0));
    assert_eq!(aside(ours.path()).len(), 2);
    // The key is gone, and with it the use of what stands beside.
    fs::remove_file(theirs.path().join("key.state")).unwrap();
    let mut run = Run::start(theirs.path(), SAVED).await;
    assert_eq!(run.oldest(), (None, 0));
    assert_eq!(aside(theirs.path()).len(), 2);
}

#[tokio::test]
async fn a_directory_that_comes_late_is_not_written_over() {
    let saved = saved().await;
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("state");
    fs::write(&folder, b"in the way").unwrap();
    let mut run = Run::start(&folder, SAVED).await;
    assert_eq!(run.state_writer.row().unwrap().failures, 1, "said at once");
    run.hear();
    assert_eq!(run.oldest().1, 1);
    run.save().await;
    let row = run.state_writer.row().unwrap();
    assert_eq!((row.failures, row.last_save), (2, None));

    // Something else of ours was there before.
    fs::remove_file(&folder).unwrap();
    fs::rename(saved.path(), &folder).unwrap();
    let before = fs::read(folder.join("torrents-1-0.state")).unwrap();
    run.save().await;
    assert_eq!(run.state_writer.row().unwrap().failures, 3);
    assert_eq!(fs::read(folder.join("torrents-1-0.state")).unwrap(), before);

    // Nothing was there: then it is ours.
    fs::remove_dir_all(&folder).unwrap();
    run.save().await;
    let row = run.state_writer.row().unwrap();
    assert_eq!((row.failures, row.last_save), (3, Some(run.now.unix)));
    run.leave();
    let mut again = Run::start(&folder, run.now.unix).await;
    assert_eq!(again.oldest(), (Some(run.now.unix), 1));
    // It goes, and is made again.
    fs::remove_dir_all(&folder).unwrap();
    again.finish().await;
    assert_eq!(again.state_writer.row().unwrap().failures, 0);
    assert!(names(&folder).contains(&"key.state".to_owned()));
}

#[tokio::test]
async fn one_file_that_cannot_be_replaced_does_not_hold_up_the_others() {
    let folder = saved().await;
    let mut run = Run::start(folder.path(), SAVED).await;
    run.hear();
    let path = folder.path().join("trackers.state");
    fs::remove_file(&path).unwrap();
    fs::create_dir_all(path.join("full")).unwrap();
    run.finish().await;
    let row = run.state_writer.row().unwrap();
    assert_eq!((row.failures, row.last_save), (1, None));
    run.leave();
    let mut again = Run::start(folder.path(), run.now.unix).await;
    assert_eq!(again.oldest(), (Some(run.now.unix), 4));
}
