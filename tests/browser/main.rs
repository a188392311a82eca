//! The pages in a real browser: no accessibility findings, nothing that is blocked or broken, and
//! nothing wider than the screen.
//!
//! `SEEDWATCH_PICTURES=FOLDER cargo test --test browser` also takes a picture of every page, wide
//! and narrow, light and dark, with 11, 300 and 10,000 torrents.

#![expect(clippy::unwrap_used, reason = "a test fails where its helpers do")]

mod world;

use std::env;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

use arc_swap::ArcSwap;
use seedwatch::web::State;
use seedwatch_core::snapshot::Snapshot;
use seedwatch_dev_programs::{cached, skip_without};
use seedwatch_dev_web::Server;
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

/// Widths and heights of the window: a desktop, and a phone.
const SIZES: [(u32, u32); 2] = [(1400, 1000), (400, 850)];

/// What the browser opens.
#[derive(Serialize)]
struct Visit {
    url: String,
    width: u32,
    height: u32,
    dark: bool,
    picture: Option<PathBuf>,
}

/// What the browser says about a page.
#[derive(Deserialize, Debug)]
#[serde(rename_all = "camelCase")]
struct Seen {
    url: String,
    width: u32,
    dark: bool,
    findings: Vec<Finding>,
    complaints: Vec<String>,
    /// The width of the content.
    content: u32,
    /// Elements that the tab key reaches.
    focusable: usize,
    /// Milliseconds until the first byte.
    first_byte: f64,
}

/// A finding of axe-core. The test prints it.
#[derive(Deserialize, Debug)]
#[expect(dead_code, reason = "only Debug reads it")]
struct Finding {
    id: String,
    help: String,
    nodes: Vec<String>,
}

fn serve(snapshot: Snapshot) -> Server<State> {
    let (reload, _) = mpsc::channel(1);
    let snapshot = Arc::new(ArcSwap::from_pointee(snapshot));
    let state = State::new(snapshot, reload, "/metrics".to_owned(), 40);
    Server::start(Arc::new(state))
}

/// Opens every path in every size and colour scheme.
async fn browse(snapshot: Snapshot, name: &str, paths: Vec<(&str, String)>) -> Vec<Seen> {
    let server = serve(snapshot);
    let folder = env::var_os("SEEDWATCH_PICTURES").map(PathBuf::from);
    let mut visits = Vec::new();
    for (page, path) in paths {
        for (width, height) in SIZES {
            for dark in [false, true] {
                let scheme = if dark { "dark" } else { "light" };
                let file = format!("{name}-{page}-{width}-{scheme}.png");
                visits.push(Visit {
                    url: format!("http://{}{path}", server.address),
                    width,
                    height,
                    dark,
                    picture: folder.as_ref().map(|folder| folder.join(file)),
                });
            }
        }
    }
    let question = serde_json::json!({ "visits": visits }).to_string();
    let asked = tokio::task::spawn_blocking(move || ask(&question));
    asked.await.unwrap()
}

fn ask(question: &str) -> Vec<Seen> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser/browse.mjs");
    let mut browser = Command::new("node")
        .arg(script)
        .arg(cached("npm/node_modules"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = browser.stdin.take().unwrap();
    stdin.write_all(question.as_bytes()).unwrap();
    drop(stdin);
    let output = browser.wait_with_output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{error}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn assert_good(all: &[Seen]) {
    let bad: Vec<_> = all
        .iter()
        .filter(|seen| !seen.findings.is_empty() || !seen.complaints.is_empty())
        .collect();
    assert!(bad.is_empty(), "{bad:#?}");
    for seen in all {
        let Seen { url, dark, .. } = seen;
        assert!(seen.content <= seen.width, "{url}: {} wide", seen.content);
        assert!(seen.focusable > 5, "{url}");
        println!("{url} dark={dark}: {:.0} ms", seen.first_byte);
    }
}

/// Returns all pages of a world.
fn pages() -> Vec<(&'static str, String)> {
    let page = |name, path: &str| (name, path.to_owned());
    vec![
        page("todo", "/"),
        page("torrents", "/torrents"),
        page("found", "/torrents?state=at_risk&q=archive&sort=-peers"),
        page("dead", &world::torrent_page(3)),
        page("alive", &world::torrent_page(0)),
        page("new", &world::torrent_page(5)),
        page("private", &world::torrent_page(6)),
        page("collections", "/collections"),
        page("collection", "/collections/library"),
        page("trackers", "/trackers"),
        page("tracker", "/trackers/udp%3A%2F%2Ftracker-1.example%3A6969"),
        page("countries", "/countries"),
        page("events", "/events"),
        page("about", "/about"),
        page("runbook", "/runbook"),
        page("nothing", "/torrents/NOPE"),
    ]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_page_has_accessibility_findings() {
    skip_without!(["chromium", "axe-core"]);
    assert_good(&browse(world::snapshot(300), "300", pages()).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn empty_and_new_installations_have_whole_pages() {
    skip_without!(["chromium", "axe-core"]);
    let first = || {
        vec![
            ("todo", "/".to_owned()),
            ("torrents", "/torrents".to_owned()),
        ]
    };
    assert_good(&browse(Snapshot::default(), "0", first()).await);
    assert_good(&browse(world::first_minute(11), "first-minute", first()).await);
    assert_good(&browse(world::snapshot(11), "11", pages()).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_thousand_torrents_fit_on_pages() {
    skip_without!(["chromium", "axe-core"]);
    let pages = pages().into_iter().filter(|(name, _)| {
        matches!(
            *name,
            "todo" | "torrents" | "collections" | "trackers" | "events" | "countries"
        )
    });
    assert_good(&browse(world::snapshot(10_000), "10000", pages.collect()).await);
}
