//! Pages stay small, and nothing is lost, with many torrents.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::*;
use seedwatch_core::history::{Day, PeerRange, UtcDay};
use seedwatch_core::snapshot::{CollectionRow, Unix};
use seedwatch_core::verdict::{Reason, State};

const TAKEN: u64 = 1_790_000_100;

/// Returns 30 days with fewer and fewer peers, up and down.
fn days(seed: u32) -> Vec<Day> {
    let day = |ago: u32| {
        let peers = ago / 2 + (seed.wrapping_mul(31) ^ ago.wrapping_mul(2_654_435_761)) % 6;
        Day {
            date: UtcDay::of(Unix(TAKEN - u64::from(ago) * 86_400)).unwrap(),
            peers: Some(PeerRange {
                least: 0,
                most: peers,
            }),
            unique: Some(peers),
            seeders: None,
            trackers_online: Some(3),
            worst: Some(State::AtRisk),
            last: Some(State::AtRisk),
            known: Duration::from_secs(86_400),
        }
    };
    (0..30).rev().map(day).collect()
}

/// Returns torrents with three trackers each, of which every tenth is dead or at risk.
fn many(count: u32) -> Snapshot {
    let torrents = (0..count).map(|n| {
        let name = format!("{n:06} Internet Archive collection of radio broadcasts, volume {n}");
        let mut hash = [7; 20];
        hash[..4].copy_from_slice(&n.to_be_bytes());
        let mut it = sample::sample(&name, Hashes::V1(InfoHash(hash)), &[0, 1, 0]);
        it.announces.truncate(1);
        it.row.peers = [Some(n % 50).into(), Some(n % 3).into()];
        it.row.verdict.state = match n % 10 {
            3 => State::Dead,
            7 => State::AtRisk,
            _ => State::Alive,
        };
        it.row.verdict.reason = match n % 10 {
            3 => Reason::Empty,
            _ => Reason::PeersNamed,
        };
        it.parts()
    });
    let snapshot = sample::snapshot().with_torrents(torrents);
    snapshot.with_histories((0..count).map(days))
}

#[tokio::test]
async fn the_first_view_of_10000_torrents_is_small_and_counts_them_all() {
    let server = serve(many(10_000));
    let answer = ask(&server, "GET /", "").await;
    let page = answer.text();
    assert_eq!(page.matches("<tr><th scope=\"row\">").count(), 50);
    assert!(page.contains("<h2 id=\"torrents\">To do (2,000)</h2>"));
    assert!(page.contains("<b>1,000</b> <span>at risk</span>"));
    assert!(page.contains("These are the worst 50 of 2,000"));
    assert_eq!(page.matches("<td><svg role=\"img\"").count(), 50);
    assert!(page.len() <= 50_000, "{}", page.len());
    // Every torrent at risk is on one of the pages that the tile leads to.
    let mut found = std::collections::BTreeSet::new();
    for number in 1..=10 {
        let path = format!("GET /torrents?state=at_risk&page={number}");
        let answer = ask(&server, &path, "").await;
        assert!(answer.text().contains("<h1>Torrents (1,000)</h1>"));
        found.extend(names(answer.text()).into_iter().map(str::to_owned));
    }
    assert_eq!(found.len(), 1000);
}

/// The budget is that of a release build; this build is some ten times slower.
#[tokio::test]
async fn the_first_view_does_not_wait_for_100000_torrents() {
    let server = serve(many(100_000));
    for path in ["/", "/torrents?q=volume+7"] {
        let start = Instant::now();
        let answer = ask(&server, &format!("GET {path}"), "").await;
        let took = start.elapsed();
        assert_eq!(answer.status, 200);
        println!("{path}: {took:?}, {} bytes", answer.body.len());
        assert!(took < Duration::from_secs(10), "{path}: {took:?}");
    }
}

#[tokio::test]
async fn tables_of_many_collections_and_trackers_have_pages() {
    let mut snapshot = sample::snapshot();
    let collection = |n: u32| CollectionRow {
        name: format!("{n:05}").into(),
        ..CollectionRow::default()
    };
    snapshot.collections = (0..700).map(collection).map(Arc::new).collect();
    let tracker = |n: u64| tracker(&format!("udp://{n:05}:1"), n);
    snapshot.trackers = (0..600).map(tracker).map(Arc::new).map(Some).collect();
    for (path, first, last) in [("/collections", 200, 100), ("/trackers", 200, 200)] {
        let shown = page(snapshot.clone(), path).await;
        assert_eq!(rows(&shown), first, "{path}");
        assert!(
            shown.contains("<a href=\"?page=2\" rel=\"next\">"),
            "{path}"
        );
        let pages = if path == "/collections" { 4 } else { 3 };
        let end = page(snapshot.clone(), &format!("{path}?page={pages}")).await;
        assert_eq!(rows(&end), last, "{path}");
        assert!(!end.contains("rel=\"next\""), "{path}");
        let beyond = page(snapshot.clone(), &format!("{path}?page={}", pages + 1)).await;
        assert_eq!(rows(&beyond), 0, "{path}");
    }
    // A list to choose from would be as long as the page.
    let torrents = page(snapshot, "/torrents").await;
    assert!(torrents.contains("<input name=\"collection\""));
    assert!(torrents.len() < 50_000, "{}", torrents.len());
}

#[tokio::test]
async fn a_tracker_of_many_torrents_shows_the_worst() {
    let path = "/trackers/udp%3A%2F%2Ftracker.example%3A1337";
    let page = page(many(1000), path).await;
    assert_eq!(rows(section(&page, "torrents")), 50);
    assert!(page.contains("These are 50 of 1,000: <a href=\"../torrents?tracker="));
    assert!(page.contains("<td class=\"bad\">dead</td>"));
}
