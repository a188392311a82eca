//! The peers by country of the last two days survive a restart, or are quarantined.

use super::files::quarantined;
use super::*;

/// Returns a directory with the state of three rounds with enough peers of one country, and its
/// time.
async fn saved() -> (tempfile::TempDir, Unix) {
    let folder = tempfile::tempdir().unwrap();
    let mut run = Run::start(folder.path(), Unix(START)).await;
    run.more_peers = 40;
    for _ in 0..3 {
        run.probe();
        run.snapshot();
    }
    run.save().await;
    (folder, run.now.unix)
}

#[tokio::test]
async fn watched_countries_survive_a_restart() {
    let (folder, at) = saved().await;
    let run = Run::start(folder.path(), at).await;
    // Each torrent, and their collection.
    assert_eq!(run.engine.saved_cliffs(), WATCHED as usize + 1);
    assert_eq!(quarantined(folder.path()), [""; 0]);
}

#[tokio::test]
async fn cliffs_in_an_unusable_file_are_quarantined_and_learned_again() {
    let (folder, at) = saved().await;
    let path = folder.path().join("cliffs-1-0.state");
    let whole = fs::read(&path).unwrap();
    let (other, _) = saved().await;
    let foreign = fs::read(other.path().join("cliffs-1-0.state")).unwrap();
    let newer = {
        let (folder, _) = saved().await;
        let store = Store::at(folder.path());
        store.save("cliffs-1-0", 2, b"").unwrap();
        fs::read(folder.path().join("cliffs-1-0.state")).unwrap()
    };
    for (way, bytes) in [
        ("torn", &whole[..whole.len() - 1]),
        ("foreign", &foreign),
        ("newer", &newer),
    ] {
        let (folder, _) = saved().await;
        fs::copy(
            path.with_file_name("key.state"),
            folder.path().join("key.state"),
        )
        .unwrap();
        for section in ["shared-1-0", "torrents-1-0"] {
            let name = format!("{section}.state");
            fs::copy(path.with_file_name(&name), folder.path().join(&name)).unwrap();
        }
        fs::write(folder.path().join("cliffs-1-0.state"), bytes).unwrap();
        let mut run = Run::start(folder.path(), at).await;
        let files = quarantined(folder.path());
        assert!(
            files.len() == 1 && files[0].starts_with("cliffs-1-0.bad-"),
            "{way}: {files:?}"
        );
        assert_eq!(run.engine.saved_cliffs(), 0, "{way}");
        assert_eq!(run.minima().0, Some(at), "{way}: torrents are kept");
        run.more_peers = 40;
        run.probe();
        run.snapshot();
        assert_eq!(run.engine.saved_cliffs(), WATCHED as usize + 1, "{way}");
        run.save().await;
        assert_eq!(run.writer.row().unwrap().failures, 0, "{way}");
    }
}
