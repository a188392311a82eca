//! Every value of every template is escaped.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use percent_encoding::utf8_percent_encode;
use tokio::sync::mpsc;

use super::{Server, sample};
use crate::web::{self, route::SEGMENT};
use seedwatch_core::events::{EventHistory, StateEvent};
use seedwatch_core::snapshot::{
    Cause, CollectionRow, Credit, FailureReason, ProbeError, Problem, Snapshot, TrackerRow,
};
use seedwatch_core::verdict::{Reason, State};
use seedwatch_dev_web::ask;
use seedwatch_input::text::is_invisible;
use seedwatch_torrent::{Details, Hashes, InfoHash};

/// Markup, and characters that change the direction of text or have no width.
const HOSTILE: &str = "<i title=\"'\u{202e}\u{200b}\u{feff}&";

/// [`HOSTILE`] as the page shows it.
const ESCAPED: &str = "&lt;i title=&quot;&#39;[U+202E][U+200B][U+FEFF]&amp;";

/// Returns a snapshot in which every text is hostile.
fn hostile_snapshot() -> Snapshot {
    let hostile = |field: &str| format!("{field}{HOSTILE}");
    let mut torrent = sample::sample(&hostile("torrent"), Hashes::V1(InfoHash([1; 20])), &[0, 1]);
    torrent.torrent.details = Details {
        collection: Some(hostile("collection").into()),
        labels: [(hostile("label"), hostile("value"))].into(),
        ..Details::default()
    }
    .boxed();
    let error = || ProbeError::new(FailureReason::RateLimited, hostile("error"));
    let problems = [
        ("tracker", Problem::Warning(hostile("warning").into())),
        ("limited", Problem::Failed(error())),
    ];
    for (announce, (_, problem)) in torrent.announces.iter_mut().zip(problems.clone()) {
        announce.problem = Some(Arc::new(problem));
    }
    let mut snapshot = sample::snapshot().with_torrents([torrent.parts()]);
    snapshot.collections = vec![Arc::new(CollectionRow {
        name: hostile("collection").into(),
        ..CollectionRow::default()
    })];
    let row = (**snapshot.trackers[0].as_ref().unwrap()).clone();
    let trackers = problems.map(|(label, problem)| TrackerRow {
        label: hostile(label).into(),
        problem: Some(Arc::new(problem)),
        ..row.clone()
    });
    snapshot.trackers = trackers.map(Arc::new).map(Some).to_vec();
    snapshot.causes = vec![Cause::TrackerDown {
        tracker: hostile("cause").into(),
        torrents: 1,
    }];
    let event = StateEvent {
        torrent: InfoHash([1; 20]),
        from: State::Alive,
        to: State::Dead,
        reason: Reason::Empty,
        at: snapshot.taken.into(),
    };
    snapshot.events = Arc::new(EventHistory::of([event]));
    snapshot.geo.credit = Some(Credit {
        text: "text<i title=\"'\u{202e}\u{200b}\u{feff}&",
        url: "url<i title=\"'\u{202e}\u{200b}\u{feff}&",
    });
    snapshot
}

#[tokio::test]
async fn every_text_on_every_page_is_escaped() {
    let snapshot = Arc::new(ArcSwap::from_pointee(hostile_snapshot()));
    let path = format!("/path{HOSTILE}");
    let server = Server::start(Arc::new(web::State::new(
        snapshot,
        mpsc::channel(1).0,
        path,
        40,
    )));
    let segment =
        |field: &str| utf8_percent_encode(&format!("{field}{HOSTILE}"), SEGMENT).to_string();
    let mut all = String::new();
    for path in [
        "/".to_owned(),
        "/torrents".to_owned(),
        format!("/torrents?q={}", segment("search")),
        format!("/torrents/{}", segment("torrent")),
        "/collections".to_owned(),
        format!("/collections/{}", segment("collection")),
        "/trackers".to_owned(),
        format!("/trackers/{}", segment("tracker")),
        format!("/trackers/{}", segment("limited")),
        "/countries".to_owned(),
        "/events".to_owned(),
        format!("/events?torrent={}", segment("torrent")),
        "/about".to_owned(),
        format!("/badge/torrent/{}.svg", segment("torrent")),
        format!("/badge/collection/{}.svg", segment("collection")),
    ] {
        let answer = ask(&server, &format!("GET {path}"), "").await;
        assert_eq!(answer.status, 200, "{path}");
        let page = answer.text();
        assert!(!page.contains("<i "), "{path}");
        assert_eq!(page.chars().find(|c| is_invisible(*c)), None, "{path}");
        all.push_str(page);
    }
    let unknown = format!("GET /torrents?{}", segment("key"));
    all.push_str(ask(&server, &unknown, "").await.text());
    for field in [
        "torrent",
        "collection",
        "tracker",
        "warning",
        "limited",
        "cause",
        "label",
        "value",
        "search",
        "key",
        "path",
        "url",
        "text",
    ] {
        assert!(all.contains(&format!("{field}{ESCAPED}")), "{field}");
    }
    // The text of an error has no invisible characters to begin with.
    assert!(all.contains("error&lt;i title=&quot;&#39;"));
    assert!(!all.contains("<i "));
}

/// A filter can mark its result as safe, so templates use none. Only the extension `html` has our
/// escaper.
#[test]
fn no_template_can_switch_the_escape_off() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/web/templates");
    for path in files(&folder) {
        let text = fs::read_to_string(&path).unwrap();
        if path.extension().unwrap() != "html" {
            assert!(path.ends_with("style.css"), "{}", path.display());
            assert!(!text.contains("{{") && !text.contains("{%"));
            continue;
        }
        for (begin, end) in [("{{", "}}"), ("{%", "%}")] {
            for rest in text.split(begin).skip(1) {
                let (tag, _) = rest.split_once(end).unwrap();
                let is_filtered = tag.replace("||", "").contains('|') || tag.contains("filter");
                assert!(!is_filtered, "{}: {tag}", path.display());
            }
        }
    }
}

/// The attribute of a template names its file and nothing else, such as another escaper; and no
/// type is marked as safe.
#[test]
fn no_code_can_switch_the_escape_off() {
    let mut templates = 0;
    for path in files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        if path.extension().is_none_or(|extension| extension != "rs") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        for attribute in text.split(concat!("#[", "template(")).skip(1) {
            let (attribute, _) = attribute.split_once(")]").unwrap();
            let name = attribute.strip_prefix("path = \"").unwrap();
            let name = name.strip_suffix(".html\"").unwrap();
            assert!(!name.contains('"'), "{}: {attribute}", path.display());
            templates += 1;
        }
        let uses = text.matches(concat!("askama::", "filters")).count();
        let allowed = usize::from(path.ends_with("src/web/escape.rs"));
        assert_eq!(uses, allowed, "{}", path.display());
    }
    assert!(templates > 0);
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => found.push(path),
            }
        }
    }
    assert!(!found.is_empty());
    found
}
