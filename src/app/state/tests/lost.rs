//! Parts of the state that are lost are said, and do not become zeros.

use std::os::unix::fs::symlink;

use super::*;
use seedwatch_distinct::Window;

/// Names of the files of torrents.
fn torrents(folder: &Path) -> Vec<String> {
    let mut names = names(folder);
    names.retain(|name| name.starts_with("torrents-"));
    names
}

/// A folder with a state of three rounds in two parts.
async fn saved() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::start(folder.path(), Unix(START)).await;
    for _ in 0..3 {
        run.hear();
    }
    run.state_writer.splits[0].bytes = 9 << 20;
    run.save().await;
    assert_eq!(
        torrents(folder.path()),
        ["torrents-2-0.state", "torrents-2-1.state"]
    );
    folder
}

/// The distinct peers of each torrent, of the fleet and of the collection in a window.
fn unique(run: &mut Run, window: Window) -> (Vec<Option<u32>>, Option<u32>, Option<u32>) {
    let picture = run.picture();
    let window = window.index();
    let rows = picture.rows();
    let torrents = rows.map(|view| view.row.unique(view.windows)[window].get());
    let fleet = picture.totals.unique[window].get();
    let collection = picture.collections[0].unique[window].get();
    (torrents.collect(), fleet, collection)
}

impl Run {
    /// A round in which every list is empty.
    fn hear_nothing(&mut self) {
        self.lists_are_empty = true;
        self.hear();
        self.lists_are_empty = false;
    }
}

#[tokio::test]
async fn an_empty_list_after_a_loss_makes_no_zero_of_a_month() {
    let folder = saved().await;
    let lost = folder.path().join("torrents-2-1.state");
    fs::remove_file(&lost).unwrap();
    let at = Unix(START + 3 * ROUND);
    for restart in 0..2 {
        let mut run = Run::start(folder.path(), Unix(at.0 + restart * 1000)).await;
        run.hear_nothing();
        let (torrents, fleet, collection) = unique(&mut run, Window::Month);
        let of = |count| torrents.iter().filter(|n| **n == count).count();
        assert_eq!(of(Some(0)), 0, "{restart}: {torrents:?}");
        assert!(of(Some(3)) > 0 && of(None) > 0, "{restart}: {torrents:?}");
        assert_eq!(of(Some(3)) + of(None), WATCHED as usize);
        assert_eq!(
            (fleet, collection),
            (Some(3), Some(3)),
            "they are in another file"
        );
        // The loss is remembered beside what is saved of those torrents now.
        run.save().await;
        assert!(lost.exists());
        run.leave();
    }

    // Once the window has passed, it is known to be empty.
    let day = 24 * 3600;
    let mut run = Run::start(folder.path(), Unix(at.0 + 32 * day)).await;
    run.hear_nothing();
    let (torrents, ..) = unique(&mut run, Window::Month);
    assert!(torrents.iter().all(|n| *n == Some(0)), "{torrents:?}");
}

#[tokio::test]
async fn whoever_comes_after_a_loss_is_counted() {
    let folder = saved().await;
    for name in torrents(folder.path()) {
        fs::remove_file(folder.path().join(name)).unwrap();
    }
    let mut run = Run::start(folder.path(), Unix(START + 3 * ROUND)).await;
    run.hear();
    let (torrents, fleet, _) = unique(&mut run, Window::Month);
    assert!(torrents.iter().all(|n| *n == Some(1)), "{torrents:?}");
    assert_eq!(fleet, Some(4));
}

#[tokio::test]
async fn a_fleet_that_is_missing_is_that_of_its_torrents() {
    let folder = saved().await;
    fs::remove_file(folder.path().join("fleet-1-0.state")).unwrap();
    let mut run = Run::start(folder.path(), Unix(START + 3 * ROUND)).await;
    run.hear_nothing();
    let (torrents, fleet, collection) = unique(&mut run, Window::Month);
    assert!(torrents.iter().all(|n| *n == Some(3)), "{torrents:?}");
    assert_eq!((fleet, collection), (Some(3), Some(3)));
}

#[tokio::test]
async fn a_link_is_no_state() {
    let (folder, elsewhere) = (saved().await, tempfile::tempdir().unwrap());
    let path = folder.path().join("torrents-2-1.state");
    let target = elsewhere.path().join("target");
    fs::rename(&path, &target).unwrap();
    let before = fs::read(&target).unwrap();
    symlink(&target, &path).unwrap();
    symlink(&target, folder.path().join("torrents-2-0.new")).unwrap();
    let mut run = Run::start(folder.path(), Unix(START + 3 * ROUND)).await;
    run.hear();
    let (torrents, ..) = unique(&mut run, Window::Month);
    assert!(torrents.contains(&Some(1)) && torrents.contains(&Some(4)));
    run.state_writer.splits[0].bytes = 9 << 20;
    run.save().await;
    assert_eq!(
        fs::read(&target).unwrap(),
        before,
        "nothing is written through it"
    );
    assert!(fs::symlink_metadata(&path).unwrap().is_file());

    // The directory itself may be reached through one.
    run.leave();
    let link = elsewhere.path().join("state");
    symlink(folder.path(), &link).unwrap();
    let mut again = Run::start(&link, run.now.unix).await;
    let (torrents, ..) = unique(&mut again, Window::Month);
    assert!(torrents.contains(&Some(1)) && torrents.contains(&Some(4)));
}
