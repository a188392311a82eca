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

fn key_of(config: &Config) -> ListKey {
    ListKey::of(&config.lists.all[0])
}

fn saved(count: u8) -> SavedList {
    SavedList {
        entries: parsed(count).entries.into(),
        ..SavedList::default()
    }
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

#[test]
fn a_probe_knows_the_torrents_of_saved_copies() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path(), "[{file: a}, {file: b}]");
    peek(&mut config);
    assert!(config.torrents.is_empty());
    let copies = Copies::new(Some(store(folder.path())));
    copies.save(key_of(&config), saved(3)).unwrap();
    config.state.path = Some(folder.path().join("state"));
    peek(&mut config);
    assert_eq!(config.torrents.len(), 3);
}

#[tokio::test]
async fn a_list_that_leaves_the_configuration_loses_its_copy() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let copies = Copies::new(Some(Arc::clone(&store)));
    let config = config(folder.path(), "[{file: a}, {file: b}]");
    let all = config.lists.all.iter();
    let keys: Vec<ListKey> = all.map(|list| ListKey::of(list)).collect();
    for key in &keys {
        copies.save(*key, saved(3)).unwrap();
    }
    let shared = Shared::new(copies, Clock::start());
    assert_eq!(shared.merge(&config).merged.torrents.len(), 3);
    shared.configure(&config.lists.all[..1], downloader());
    for _ in 0..6000 {
        if store.sections().unwrap() == [format!("lists-{}", keys[0])] {
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
    let key = key_of(&config(folder.path(), "[{file: a}]"));
    store.save(&format!("lists-{key}"), 1, b"damaged").unwrap();
    let copies = Copies::new(Some(Arc::clone(&store)));
    assert!(copies.load(&[key], &[]).is_empty());
    assert_eq!(store.sections().unwrap(), Vec::<String>::new());
}

#[tokio::test]
async fn another_key_in_a_url_or_other_fields_lose_no_torrent() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let lists = [
        "[{url: \"http://h.example/a?k=1\"}]",
        "[{url: \"http://h.example/a?k=2\"}]",
        "[{url: \"http://h.example/a?k=2\", format: csv}]",
        "[{url: \"http://h.example/a?k=2\", format: json, items: a.b}]",
        "[{url: \"http://h.example/a?k=2\", fields: {infohash: x}}]",
    ];
    let configs = lists.map(|text| config(folder.path(), text));
    let copies = Copies::new(Some(Arc::clone(&store)));
    copies.save(key_of(&configs[0]), saved(3)).unwrap();
    let shared = Shared::new(copies, Clock::start());
    for config in &configs {
        assert_eq!(shared.merge(config).merged.torrents.len(), 3);
        shared.configure(&config.lists.all, downloader());
        assert_eq!(shared.merge(config).merged.torrents.len(), 3);
        // Nor does a restart before the first answer.
        let copies = Copies::new(Some(Arc::clone(&store)));
        let after = Shared::new(copies, Clock::start()).merge(config);
        assert_eq!(after.merged.torrents.len(), 3);
    }
}

mod outcomes {
    use super::*;
    use crate::app::lists::fetch::{Content, Outcome};
    use seedwatch_clock::{Mono, Now, Unix};

    fn now(seconds: u64) -> Now {
        Now {
            mono: Mono(seconds * 1000),
            unix: Unix(1_700_000_000 + seconds),
        }
    }

    fn answer(count: u8, etag: &str) -> Outcome {
        Outcome {
            result: Ok(Content::List(
                parsed(count),
                Validators::new(Some(etag), None),
            )),
            stamp: None,
        }
    }

    fn unchanged() -> Outcome {
        Outcome {
            result: Ok(Content::Unchanged),
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
        let mut watched = Watched::new(Arc::clone(&config.lists.all[0]), key_of(&config), None);
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
            let row = watched.row(now(seconds));
            let expected = (Some(entries), Some(is_up));
            assert_eq!((row.entries, row.is_up), expected, "{seconds}");
        }
    }

    #[test]
    fn validators_are_those_of_the_last_good_copy() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), "[{url: \"http://h.example/\"}]");
        let mut watched = Watched::new(Arc::clone(&config.lists.all[0]), key_of(&config), None);
        let etag = |watched: &mut Watched| {
            let request = watched.begin(downloader());
            request.validators.etag.map(String::from)
        };
        assert_eq!(etag(&mut watched), None);
        assert!(watched.due().is_none(), "a fetch is under way");
        let first = watched.end(answer(9, "a"), 0.0, now(0));
        assert!(first.is_changed && first.save.is_some());
        assert_eq!(etag(&mut watched).as_deref(), Some("a"));
        // Too short to be believed: the next request asks for it again.
        let refused = watched.end(answer(2, "b"), 0.0, now(1));
        assert!(!refused.is_changed && refused.save.is_none());
        assert_eq!(etag(&mut watched).as_deref(), Some("a"));
        assert_eq!(watched.row(now(4)).reason, Some("shrunken"));
        let confirmed = watched.end(answer(2, "b"), 0.0, now(2));
        assert!(confirmed.is_changed);
        assert_eq!(etag(&mut watched).as_deref(), Some("b"));
        watched.end(failed(ListFailure::Html), 0.0, now(3));
        assert_eq!(watched.row(now(4)).is_up, Some(false));
        assert_eq!(watched.row(now(4)).entries, Some(2));
        // 304 after a failure: the last good copy is the list.
        assert_eq!(etag(&mut watched).as_deref(), Some("b"));
        let same = watched.end(unchanged(), 0.0, now(4));
        assert!(!same.is_changed && same.save.is_none());
        assert_eq!(watched.row(now(4)).is_up, Some(true));
        assert_eq!(watched.row(now(4)).last_success, Some(now(4).unix));
        assert_eq!(watched.row(now(4)).failures, [("html", 1), ("shrunken", 1)]);
        // The same entries under other validators are saved, and nothing is merged again.
        let same = watched.end(answer(2, "c"), 0.0, now(5));
        assert!(!same.is_changed && same.save.is_some());
        // A copy that is confirmed only is saved again after an hour.
        assert!(watched.end(unchanged(), 0.0, now(4000)).save.is_some());
        assert!(watched.end(unchanged(), 0.0, now(4001)).save.is_none());
    }

    #[test]
    fn a_copy_of_another_source_lends_no_validators_and_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let [before, after] = [1, 2].map(|key| {
            let list = format!("[{{url: \"http://h.example/?k={key}\"}}]");
            config(folder.path(), &list)
        });
        let list = |config: &Config| Arc::clone(&config.lists.all[0]);
        let mut watched = Watched::new(list(&before), key_of(&before), None);
        let _ = watched.begin(downloader());
        let first = watched.end(answer(9, "a"), 0.0, now(0));
        assert!(first.save.is_some_and(|save| save.replaces.is_none()));
        let _ = watched.begin(downloader());
        let mut watched = watched.reloaded(list(&after), key_of(&after));
        assert_eq!(watched.due(), Some(Mono(0)), "at once: it is another URL");
        assert_eq!(watched.copy_key(), Some(key_of(&before)));
        let request = watched.begin(downloader());
        assert_eq!(request.validators, Validators::default());
        watched.end(failed(ListFailure::HttpStatus), 0.0, now(1));
        assert_eq!(watched.entries().map(|entries| entries.len()), Some(9));
        // The list of the other source is believed at once, however short.
        let read = watched.end(answer(2, "b"), 0.0, now(2));
        assert!(read.is_changed);
        let save = read.save.unwrap();
        assert_eq!(save.key, key_of(&after));
        assert_eq!(save.replaces, Some(key_of(&before)));
        assert_eq!(
            watched.begin(downloader()).validators.etag.as_deref(),
            Some("b")
        );
    }

    #[test]
    fn a_reload_fetches_a_failed_list_after_a_minute() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), "[{url: \"http://h.example/\"}]");
        let list = Arc::clone(&config.lists.all[0]);
        let mut watched = Watched::new(Arc::clone(&list), key_of(&config), None);
        for _ in 0..5 {
            let _ = watched.begin(downloader());
            watched.end(failed(ListFailure::Timeout), 0.0, now(0));
        }
        assert!(watched.due() > Some(now(300).mono));
        assert_eq!(watched.row(now(0)).next_fetch, Some(now(3600).unix));
        let watched = watched.reloaded(list, key_of(&config));
        assert_eq!(watched.due(), Some(now(60).mono));
        assert_eq!(watched.row(now(0)).is_up, Some(false));
    }

    #[test]
    fn a_bad_file_is_counted_once_until_it_changes() {
        let folder = tempfile::tempdir().unwrap();
        let config = config(folder.path(), "[{file: list.txt}]");
        let (path, list) = (folder.path().join("list.txt"), &config.lists.all[0]);
        let mut watched = Watched::new(Arc::clone(list), key_of(&config), None);
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        let runtime = runtime.unwrap();
        let mut look = |at| {
            let request = watched.begin(downloader());
            watched.end(runtime.block_on(request.run()), 0.0, now(at));
            watched.row(now(at))
        };
        fs::write(&path, "<html>").unwrap();
        let first = look(0);
        assert_eq!(first.failures, [("html", 1)]);
        assert_eq!((first.entries, first.last_success), (None, None));
        assert!(first.detail.is_some());
        for at in [30, 60] {
            let again = look(at);
            assert_eq!(
                (again.failures, again.detail),
                (first.failures.clone(), first.detail.clone())
            );
        }
        fs::write(folder.path().join("new"), lines(2)).unwrap();
        fs::rename(folder.path().join("new"), &path).unwrap();
        let read = look(90);
        assert_eq!(
            (read.is_up, read.entries, read.detail),
            (Some(true), Some(2), None)
        );
    }
}
