use std::fs;
use std::path::Path;
use std::time::Duration;

use tokio::sync::mpsc;

use super::*;
use crate::store::Store;
use seedwatch_lists::{ListFailure, ParsedList, SavedList, Validators};
use seedwatch_probers::resolve::Resolver;

fn config(folder: &Path, lists: &str) -> Config {
    let path = folder.join("config.yaml");
    let text = format!("addresses: {{accept: any}}\ntorrents: []\nlists: {lists}\n");
    fs::write(&path, text).unwrap();
    Config::load(&path).unwrap()
}

fn store(folder: &Path) -> Arc<Store> {
    let store = Store::at(&folder.join("state"));
    store.prepare().unwrap();
    Arc::new(store)
}

fn downloader() -> Downloader {
    Downloader::new("seedwatch/test", &[], Resolver::system()).unwrap()
}

fn lines(count: u8) -> String {
    (1..=count)
        .map(|n| format!("{}\n", format!("{n:02x}").repeat(20)))
        .collect()
}

fn parsed(count: u8) -> ParsedList {
    seedwatch_lists::parse(lines(count).as_bytes(), &Default::default(), None).unwrap()
}

/// A list with a fast interval, so that no test waits.
fn fast(config: &Config) -> Vec<Arc<List>> {
    let mut list = List::clone(&config.lists.all[0]);
    list.interval = Duration::from_millis(10);
    vec![Arc::new(list)]
}

async fn changed(events: &mut mpsc::Receiver<()>) {
    let event = tokio::time::timeout(Duration::from_secs(60), events.recv()).await;
    assert!(matches!(event, Ok(Some(()))));
}

/// Waits until the state of the only list is as wanted.
async fn row(watcher: &ListWatcher, wanted: impl Fn(&ListRow) -> bool) -> ListRow {
    for _ in 0..6000 {
        let rows = watcher.rows();
        if let Some(row) = rows.first().filter(|row| wanted(row)) {
            return row.clone();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{:?}", watcher.rows());
}

#[tokio::test]
async fn a_file_is_watched_and_its_copy_survives() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("list.txt");
    let config = config(folder.path(), "[{file: list.txt}]");
    let lists = fast(&config);
    fs::write(&file, lines(9)).unwrap();
    let (clock, store) = (Clock::start(), store(folder.path()));
    {
        let shared = Shared::new(Copies::new(Some(Arc::clone(&store))), clock);
        let (notices, mut events) = mpsc::channel(1);
        let watcher = ListWatcher::start(shared, notices);
        watcher.configure(&lists, downloader());
        changed(&mut events).await;
        assert_eq!(watcher.version(), 1);
        let row = row(&watcher, |row| row.is_up == Some(true)).await;
        assert_eq!(row.entries, Some(9));
        assert_eq!(watcher.shared().merge(&config).merged.torrents.len(), 9);
    }
    fs::remove_file(&file).unwrap();
    let shared = Shared::new(Copies::new(Some(store)), clock);
    let mut config = config;
    merge_saved(&shared, &mut config).await;
    assert_eq!(config.torrents.len(), 9);
    let (notices, _events) = mpsc::channel(1);
    let watcher = ListWatcher::start(shared, notices);
    watcher.configure(&lists, downloader());
    let row = row(&watcher, |row| row.is_up == Some(false)).await;
    assert_eq!((row.reason, row.entries), (Some("unreadable"), Some(9)));
    assert!(row.last_success.is_some());
}

#[tokio::test]
async fn a_file_that_halves_is_believed_at_the_second_look() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("list.txt");
    let lists = fast(&config(folder.path(), "[{file: list.txt}]"));
    fs::write(&file, lines(9)).unwrap();
    let (notices, mut events) = mpsc::channel(1);
    let watcher = ListWatcher::start(Shared::new(Copies::new(None), Clock::start()), notices);
    watcher.configure(&lists, downloader());
    changed(&mut events).await;
    fs::write(folder.path().join("new"), lines(2)).unwrap();
    fs::rename(folder.path().join("new"), &file).unwrap();
    changed(&mut events).await;
    let row = row(&watcher, |row| row.is_up == Some(true)).await;
    assert_eq!(row.entries, Some(2));
    assert_eq!(row.failures, [("shrunken", 1)]);
}

#[tokio::test]
async fn a_bad_file_is_counted_once_until_it_changes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("list.txt");
    let lists = fast(&config(folder.path(), "[{file: list.txt}]"));
    fs::write(&file, "<html>").unwrap();
    let (notices, mut events) = mpsc::channel(1);
    let watcher = ListWatcher::start(Shared::new(Copies::new(None), Clock::start()), notices);
    watcher.configure(&lists, downloader());
    let first = row(&watcher, |row| row.is_up == Some(false)).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(watcher.rows()[0], first);
    assert_eq!(first.failures, [("html", 1)]);
    assert_eq!((first.entries, first.last_success), (None, None));
    fs::write(folder.path().join("new"), lines(2)).unwrap();
    fs::rename(folder.path().join("new"), &file).unwrap();
    changed(&mut events).await;
}

#[tokio::test]
async fn a_list_that_leaves_the_configuration_loses_its_copy() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let copies = Copies::new(Some(Arc::clone(&store)));
    let config = config(folder.path(), "[{file: a}, {file: b}]");
    let ids: Vec<u64> = config
        .lists
        .all
        .iter()
        .map(|list| copies::id(list))
        .collect();
    assert_ne!(ids[0], ids[1]);
    for id in &ids {
        let copy = SavedList {
            entries: parsed(3).entries.into(),
            ..SavedList::default()
        };
        copies.save(*id, copy).unwrap();
    }
    let shared = Shared::new(copies, Clock::start());
    assert_eq!(shared.merge(&config).merged.torrents.len(), 3);
    shared.configure(&config.lists.all[..1], downloader());
    for _ in 0..6000 {
        if store.sections().unwrap() == [format!("lists-{}", ids[0])] {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("{:?}", store.sections());
}

#[test]
fn a_damaged_copy_is_quarantined() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    store.save("lists-7", 1, b"damaged").unwrap();
    let copies = Copies::new(Some(Arc::clone(&store)));
    assert!(copies.load(&[7]).is_empty());
    assert_eq!(store.sections().unwrap(), Vec::<String>::new());
}

#[test]
fn copies_depend_on_how_a_list_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let lists = [
        "[{url: \"http://h.example/a?k=1\"}]",
        "[{url: \"http://h.example/a?k=2\"}]",
        "[{url: \"http://h.example/a?k=1\", format: csv}]",
        "[{url: \"http://h.example/a?k=1\", items: a.b}]",
        "[{url: \"http://h.example/a?k=1\", fields: {infohash: x}}]",
    ];
    let id = |text: &&str| copies::id(&config(folder.path(), text).lists.all[0]);
    let ids: std::collections::BTreeSet<u64> = lists.iter().map(id).collect();
    assert_eq!(ids.len(), lists.len());
    let other = "[{url: \"http://h.example/a?k=1\", name: x, interval: 1d, collection: c}]";
    assert!(ids.contains(&id(&other)));
}

mod outcomes {
    use super::*;
    use crate::app::lists::fetch::{Fetched, Outcome};
    use seedwatch_clock::{Mono, Now, Unix};

    fn now(seconds: u64) -> Now {
        Now {
            mono: Mono(seconds * 1000),
            unix: Unix(1_700_000_000 + seconds),
        }
    }

    fn list(count: u8, etag: &str) -> Outcome {
        Outcome {
            result: Ok(Fetched::List(
                parsed(count),
                Validators::new(Some(etag), None),
            )),
            stamp: None,
        }
    }

    fn unchanged() -> Outcome {
        Outcome {
            result: Ok(Fetched::Unchanged),
            stamp: None,
        }
    }

    fn failed(failure: ListFailure) -> Outcome {
        Outcome {
            result: Err(failure.into()),
            stamp: None,
        }
    }

    #[tokio::test]
    async fn a_file_that_is_being_written_does_not_confirm_itself() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), "[{file: list.txt}]");
        let mut watched = Watched::new(Arc::clone(&config.lists.all[0]), 1, None);
        for (seconds, written, entries, is_up) in [
            (0, Some(20), 20, true),
            (30, Some(2), 20, false),
            (60, Some(3), 20, false),
            (90, Some(4), 20, false),
            (120, None, 4, true),
        ] {
            if let Some(written) = written {
                fs::write(folder.path().join("list.txt"), lines(written)).unwrap();
            }
            let outcome = watched.begin(downloader()).run().await;
            watched.end(outcome, 0.0, now(seconds));
            let row = watched.row();
            let expected = (Some(entries), Some(is_up));
            assert_eq!((row.entries, row.is_up), expected, "{seconds}");
        }
    }

    #[test]
    fn validators_are_those_of_the_last_good_copy() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), "[{url: \"http://h.example/\"}]");
        let mut watched = Watched::new(Arc::clone(&config.lists.all[0]), 1, None);
        let etag = |watched: &mut Watched| {
            let job = watched.begin(downloader());
            job.validators.etag.map(String::from)
        };
        assert_eq!(etag(&mut watched), None);
        assert!(watched.due().is_none(), "a fetch is under way");
        let first = watched.end(list(9, "a"), 0.0, now(0));
        assert!(first.is_changed && first.save.is_some());
        assert_eq!(etag(&mut watched).as_deref(), Some("a"));
        // Too short to be believed: the next request asks for it again.
        let refused = watched.end(list(2, "b"), 0.0, now(1));
        assert!(!refused.is_changed && refused.save.is_none());
        assert_eq!(etag(&mut watched).as_deref(), Some("a"));
        assert_eq!(watched.row().reason, Some("shrunken"));
        let confirmed = watched.end(list(2, "b"), 0.0, now(2));
        assert!(confirmed.is_changed);
        assert_eq!(etag(&mut watched).as_deref(), Some("b"));
        watched.end(failed(ListFailure::Html), 0.0, now(3));
        assert_eq!(watched.row().is_up, Some(false));
        assert_eq!(watched.row().entries, Some(2));
        // 304 after a failure: the last good copy is the list.
        assert_eq!(etag(&mut watched).as_deref(), Some("b"));
        let same = watched.end(unchanged(), 0.0, now(4));
        assert!(!same.is_changed && same.save.is_none());
        assert_eq!(watched.row().is_up, Some(true));
        assert_eq!(watched.row().last_success, Some(now(4).unix));
        assert_eq!(watched.row().failures, [("html", 1), ("shrunken", 1)]);
        // The same entries under other validators are saved, and nothing is merged again.
        let same = watched.end(list(2, "c"), 0.0, now(5));
        assert!(!same.is_changed && same.save.is_some());
        // A copy that is confirmed only is saved again after an hour.
        assert!(watched.end(unchanged(), 0.0, now(4000)).save.is_some());
        assert!(watched.end(unchanged(), 0.0, now(4001)).save.is_none());
    }
}
