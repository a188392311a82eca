//! Lost shards of the state are reported, and unknown windows do not become 0.

use std::os::unix::fs::symlink;

use super::*;
use seedwatch_distinct::Window;

/// Returns the names of the shards of torrents.
fn torrents(folder: &Path) -> Vec<String> {
    let mut names = names(folder);
    names.retain(|name| name.starts_with("torrents-"));
    names
}

/// Returns a directory with the state of three rounds in two shards.
async fn saved() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::start(folder.path(), Unix(START)).await;
    for _ in 0..3 {
        run.probe();
    }
    run.writer.shardings[0].bytes = 9 << 20;
    run.save().await;
    assert_eq!(
        torrents(folder.path()),
        ["torrents-2-0.state", "torrents-2-1.state"]
    );
    folder
}

/// Returns the unique peers of each torrent, of all torrents and of the collection in a window.
fn unique(run: &mut Run, window: Window) -> (Vec<Option<u32>>, Option<u32>, Option<u32>) {
    let snapshot = run.snapshot();
    let window = window.index();
    let rows = snapshot.rows();
    let torrents = rows.map(|view| view.row.unique(view.windows)[window].get());
    let all = snapshot.totals.unique[window].get();
    let collection = snapshot.collections[0].unique[window].get();
    (torrents.collect(), all, collection)
}

impl Run {
    /// Simulates a round of probes in which every peer list is empty.
    fn probe_empty_swarms(&mut self) {
        self.lists_are_empty = true;
        self.probe();
        self.lists_are_empty = false;
    }
}

#[tokio::test]
async fn an_empty_list_after_a_loss_leaves_the_month_unknown() {
    let folder = saved().await;
    let lost = folder.path().join("torrents-2-1.state");
    fs::remove_file(&lost).unwrap();
    let at = Unix(START + 3 * ROUND);
    for restart in 0..2 {
        let mut run = Run::start(folder.path(), Unix(at.0 + restart * 1000)).await;
        run.probe_empty_swarms();
        let (torrents, all, collection) = unique(&mut run, Window::Month);
        let of = |count| torrents.iter().filter(|n| **n == count).count();
        assert_eq!(of(Some(0)), 0, "{restart}: {torrents:?}");
        assert!(of(Some(3)) > 0 && of(None) > 0, "{restart}: {torrents:?}");
        assert_eq!(of(Some(3)) + of(None), WATCHED as usize);
        assert_eq!(
            (all, collection),
            (Some(3), Some(3)),
            "shared sets are in another file"
        );
        // The loss stays on record although the shard is saved again.
        run.save().await;
        assert!(lost.exists());
        run.release();
    }

    // Once the window begins after the loss, it is known to be empty.
    let day = 24 * 3600;
    let mut run = Run::start(folder.path(), Unix(at.0 + 32 * day)).await;
    run.probe_empty_swarms();
    let (torrents, ..) = unique(&mut run, Window::Month);
    assert!(torrents.iter().all(|n| *n == Some(0)), "{torrents:?}");
}

#[tokio::test]
async fn peers_seen_after_a_loss_are_counted() {
    let folder = saved().await;
    for name in torrents(folder.path()) {
        fs::remove_file(folder.path().join(name)).unwrap();
    }
    let mut run = Run::start(folder.path(), Unix(START + 3 * ROUND)).await;
    run.probe();
    let (torrents, all, _) = unique(&mut run, Window::Month);
    assert!(torrents.iter().all(|n| *n == Some(1)), "{torrents:?}");
    assert_eq!(all, Some(4));
}

#[tokio::test]
async fn missing_shared_sets_are_rebuilt_from_torrents() {
    let folder = saved().await;
    fs::remove_file(folder.path().join("shared-1-0.state")).unwrap();
    let mut run = Run::start(folder.path(), Unix(START + 3 * ROUND)).await;
    run.probe_empty_swarms();
    let (torrents, all, collection) = unique(&mut run, Window::Month);
    assert!(torrents.iter().all(|n| *n == Some(3)), "{torrents:?}");
    assert_eq!((all, collection), (Some(3), Some(3)));
}

#[tokio::test]
async fn links_are_neither_read_nor_written() {
    let (folder, elsewhere) = (saved().await, tempfile::tempdir().unwrap());
    let path = folder.path().join("torrents-2-1.state");
    let target = elsewhere.path().join("target");
    fs::rename(&path, &target).unwrap();
    let before = fs::read(&target).unwrap();
    symlink(&target, &path).unwrap();
    symlink(&target, folder.path().join("torrents-2-0.new")).unwrap();
    let mut run = Run::start(folder.path(), Unix(START + 3 * ROUND)).await;
    run.probe();
    let (torrents, ..) = unique(&mut run, Window::Month);
    assert!(torrents.contains(&Some(1)) && torrents.contains(&Some(4)));
    run.writer.shardings[0].bytes = 9 << 20;
    run.save().await;
    assert_eq!(
        fs::read(&target).unwrap(),
        before,
        "the target of the link is unchanged"
    );
    assert!(fs::symlink_metadata(&path).unwrap().is_file());

    // The path of the directory itself may contain a link.
    run.release();
    let link = elsewhere.path().join("state");
    symlink(folder.path(), &link).unwrap();
    let mut again = Run::start(&link, run.now.unix).await;
    let (torrents, ..) = unique(&mut again, Window::Month);
    assert!(torrents.contains(&Some(1)) && torrents.contains(&Some(4)));
}
