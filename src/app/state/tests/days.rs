//! The daily history of torrents on a real file system.

use super::*;
use seedwatch_core::history::Day;

/// Returns the last days of each torrent.
fn days(run: &mut Run) -> Vec<Vec<Option<Day>>> {
    let snapshot = run.snapshot();
    let rows = snapshot.rows();
    rows.map(|view| view.history.last_days(5, snapshot.taken).collect())
        .collect()
}

#[tokio::test]
async fn days_survive_a_kill_up_to_the_last_save() {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::start(folder.path(), Unix(START)).await;
    for _ in 0..48 {
        run.probe();
        run.snapshot();
    }
    let saved = days(&mut run);
    run.writer.shardings[0].bytes = 9 << 20;
    run.save().await;
    run.more_peers = 7;
    run.probe();
    assert!(days(&mut run) != saved);
    run.release();
    let mut after = Run::start(folder.path(), run.now.unix).await;
    let restored = days(&mut after);
    assert!(restored == saved, "{:?} {:?}", restored[0], saved[0]);
    let [None, None, Some(first), Some(full), Some(last)] = restored[0][..] else {
        panic!("{restored:?}");
    };
    // The process starts at eight o'clock.
    assert_eq!(full.known.as_secs(), 24 * 3600);
    assert!(first.known < full.known && last.known < full.known);
    assert!(full.peers.is_some_and(|peers| peers.least == 1));
}
