//! The same query in every format.

use std::sync::Arc;

use hyper::header::{CONTENT_DISPOSITION, CONTENT_TYPE, ETAG, LAST_MODIFIED, LINK};
use serde_json::Value;

use super::{Server, ask, events, sample, serve, state};
use crate::web::State;
use seedwatch_core::snapshot::{Privacy, Snapshot};
use seedwatch_core::verdict::State as TorrentState;
use seedwatch_torrent::{Hashes, InfoHash, TrackerUrl};

fn serve_under(url: &str, snapshot: Snapshot) -> Server {
    let (state, _) = state(snapshot, 40);
    let state: State = Arc::into_inner(state).unwrap();
    Server::start(Arc::new(state.with_external_url(url.parse().ok())))
}

async fn text(server: &Server, path: &str) -> String {
    let answer = ask(server, &format!("GET {path}"), "").await;
    assert_eq!(answer.status, 200, "{path}");
    answer.text().to_owned()
}

async fn names(server: &Server, path: &str) -> Vec<String> {
    let all: Value = serde_json::from_str(&text(server, path).await).unwrap();
    let torrents = all["torrents"].as_array().unwrap().iter();
    torrents
        .map(|torrent| torrent["name"].as_str().unwrap().to_owned())
        .collect()
}

/// Returns torrents `t00` to `t29`, of which every third is dead.
fn thirty() -> Snapshot {
    let rows = (0..30u8).map(|n| {
        let hashes = Hashes::V1(InfoHash([n; 20]));
        let mut it = sample::sample(&format!("t{n:02}"), hashes, &[0]);
        it.row.verdict.state = match n % 3 {
            0 => TorrentState::Dead,
            _ => TorrentState::Alive,
        };
        let since = 1_789_000_000 + u64::from(n);
        it.row.verdict.since = seedwatch_core::snapshot::Unix(since).into();
        it.parts()
    });
    sample::snapshot().with_torrents(rows)
}

#[tokio::test]
async fn pages_of_the_api_lead_to_all_torrents() {
    for (server, base) in [
        (serve(thirty()), "/api/v1/"),
        (
            serve_under("https://m.example/sw", thirty()),
            "https://m.example",
        ),
    ] {
        let mut path = "/api/v1/torrents?state=dead&limit=4".to_owned();
        let mut all = Vec::new();
        for page in 1..=3 {
            let answer = ask(&server, &format!("GET {path}"), "").await;
            let list: Value = serde_json::from_str(answer.text()).unwrap();
            let counts = ["total", "page", "pages"].map(|key| list[key].as_u64().unwrap());
            assert_eq!(counts, [10, page, 3]);
            assert_eq!(list["prev"].is_null(), page == 1);
            for torrent in list["torrents"].as_array().unwrap() {
                all.push(torrent["name"].as_str().unwrap().to_owned());
            }
            let links: Vec<_> = answer.headers.get_all(LINK).iter().collect();
            let next = list["next"].as_str();
            let Some(next) = next else {
                assert_eq!((page, links.len()), (3, 1));
                break;
            };
            assert_eq!(
                links[0].to_str().unwrap(),
                format!("<{next}>; rel=\"next\"")
            );
            path = match next.strip_prefix(base) {
                Some(path) => path.to_owned(),
                None => format!("{base}{next}"),
            };
        }
        let expected = (0..30).step_by(3).map(|n| format!("t{n:02}"));
        assert!(all.into_iter().eq(expected));
    }
}

#[tokio::test]
async fn without_a_query_the_api_lists_all_torrents_by_name() {
    let server = serve(thirty());
    let all = names(&server, "/api/v1/torrents").await;
    assert!(all.iter().cloned().eq((0..30).map(|n| format!("t{n:02}"))));
    let urgent = names(&server, "/torrents.json").await;
    // Of those that died at the same time, the largest come first.
    assert_eq!(urgent[..2], ["t27", "t24"]);
    assert_eq!(
        names(&server, "/api/v1/torrents?sort=urgency").await,
        urgent
    );
    assert_eq!(names(&server, "/torrents.json?sort=name").await, all);
}

#[tokio::test]
async fn every_format_has_the_same_torrents() {
    let server = serve(thirty());
    let query = "?state=dead&sort=-name&limit=3";
    let expected = ["t27", "t24", "t21"];
    assert_eq!(
        names(&server, &format!("/torrents.json{query}")).await,
        expected
    );
    let table = text(&server, &format!("/torrents.csv{query}")).await;
    let first = table
        .lines()
        .skip(1)
        .map(|line| line.split(',').next().unwrap());
    assert!(first.eq(expected), "{table}");
    let magnets = text(&server, &format!("/torrents.magnets.txt{query}")).await;
    let found = magnets
        .lines()
        .map(|line| line.split("&dn=").nth(1).unwrap().split('&').next());
    assert!(found.eq(expected.map(Some)), "{magnets}");
    let feed = text(&server, &format!("/torrents.atom{query}")).await;
    let titles = feed.split("<title>").skip(2);
    assert!(titles.map(|rest| &rest[..3]).eq(expected), "{feed}");
}

#[tokio::test]
async fn tables_are_files_for_spreadsheets() {
    let server = serve(sample::snapshot());
    let answer = ask(&server, "GET /torrents.csv", "").await;
    let kind = "text/csv; charset=utf-8; header=present";
    assert_eq!(answer.headers[CONTENT_TYPE], kind);
    let name = "attachment; filename=\"torrents.csv\"";
    assert_eq!(answer.headers[CONTENT_DISPOSITION], name);
    assert!(!answer.text().contains("passkey"));
}

#[tokio::test]
async fn feeds_have_stable_ids_and_the_times_of_changes() {
    let server = serve_under("https://m.example/sw", sample::snapshot());
    let answer = ask(&server, "GET /torrents.atom", "").await;
    assert_eq!(
        answer.headers[CONTENT_TYPE],
        "application/atom+xml; charset=utf-8"
    );
    let feed = answer.text();
    let hash = "0f".repeat(20);
    let since = "2026-09-21T14:05:00Z";
    for expected in [
        "<id>https://m.example/sw/torrents.atom</id>",
        "<link rel=\"self\" href=\"https://m.example/sw/torrents.atom\"/>",
        &format!("<id>urn:btih:{hash}</id>"),
        "<title>a &quot;quoted&quot; \\ name\nof two lines: alive</title>",
        &format!("<updated>{since}</updated>"),
        "<link rel=\"alternate\" \
         href=\"https://m.example/sw/torrents/a%20%22quoted%22%20%5C%20name%0Aof%20two%20lines\"/>",
        "<category term=\"one_network\"/>",
        "<summary>A source listed peers.</summary>",
    ] {
        assert!(feed.contains(expected), "{expected}\n{feed}");
    }
    assert!(!feed.contains("secret-passkey"), "{feed}");
    // A torrent that was not judged yet has no change to tell.
    assert!(!feed.contains("new: pending"), "{feed}");
    let relative = text(&serve(sample::snapshot()), "/torrents.atom?q=quoted").await;
    assert!(relative.contains("<id>tag:seedwatch,2026:torrents.atom?q=quoted</id>"));
    assert!(relative.contains("<link rel=\"self\" href=\"torrents.atom?q=quoted\"/>"));
}

#[tokio::test]
async fn events_are_a_feed() {
    let server = serve(events::snapshot(2));
    let feed = text(&server, "/events.atom?torrent=empty").await;
    let hash = "01".repeat(20);
    for expected in [
        &format!("<id>tag:seedwatch,2026:event:{hash}:1789996500:dead</id>") as &str,
        "<title>empty: dead</title>",
        "<updated>2026-09-21T13:15:00Z</updated>",
        "<link rel=\"alternate\" href=\"torrents/empty\"/>",
        "<summary>It was alive and is dead now. All sources that answered said for two rounds that the \
         swarm is empty.</summary>",
    ] {
        assert!(feed.contains(expected), "{expected}\n{feed}");
    }
    assert_eq!(feed.matches("<entry>").count(), 1);
    assert_eq!(
        text(&server, "/events.atom")
            .await
            .matches("<entry>")
            .count(),
        1,
        "one that is gone may have been private"
    );
    assert_eq!(
        ask(&server, "GET /events.atom?torrent=NOPE", "")
            .await
            .status,
        404
    );
}

#[tokio::test]
async fn private_torrents_and_passkeys_are_in_no_list() {
    let mut snapshot = thirty();
    let mut torrents = snapshot.torrents.to_vec();
    torrents[0].privacy = Privacy::LeftAlone;
    torrents[3].privacy = Privacy::Consented;
    let secret = TrackerUrl::parse("udp://tracker.example:1337/0123456789abcdef/announce");
    torrents[6].trackers = [Arc::new(secret.unwrap())].into_iter().collect();
    snapshot.torrents = torrents.into();
    let server = serve(snapshot);
    let magnets = text(&server, "/torrents.magnets.txt?sort=name").await;
    assert_eq!(magnets.lines().count(), 28);
    assert!(
        !magnets.contains("dn=t00") && !magnets.contains("dn=t03"),
        "{magnets}"
    );
    for path in [
        "/torrents.magnets.txt",
        "/torrents.atom",
        "/trackers.txt",
        "/torrents.csv",
    ] {
        assert!(
            !text(&server, path).await.contains("0123456789abcdef"),
            "{path}"
        );
    }
    let feed = text(&server, "/torrents.atom").await;
    assert_eq!(feed.matches("<entry>").count(), 28);
    assert_eq!(feed.matches("magnet:?").count(), 28);
}

#[tokio::test]
async fn trackers_that_work_are_listed_with_urls_that_hold_no_passkey() {
    // Of the trackers of the sample, one answers, and the path of the other is a passkey.
    let server = serve(sample::snapshot());
    let list = text(&server, "/trackers.txt").await;
    assert_eq!(list, "udp://tracker.example:1337/announce\n");
}

#[tokio::test]
async fn what_has_not_changed_is_not_sent_again() {
    let server = serve(sample::snapshot());
    for path in [
        "/api/v1/torrents",
        "/api/v1/trackers",
        "/torrents.csv",
        "/torrents.atom",
        "/torrents.magnets.txt",
        "/trackers.txt",
    ] {
        let request = format!("GET {path}");
        let first = ask(&server, &request, "").await;
        let tag = first.headers[ETAG].to_str().unwrap().to_owned();
        let known = format!("If-None-Match: {tag}\r\n");
        let again = ask(&server, &request, &known).await;
        assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
        assert_eq!(again.headers[ETAG], first.headers[ETAG], "{path}");
        let head = ask(&server, &format!("HEAD {path}"), "").await;
        assert_eq!(head.headers[ETAG], first.headers[ETAG], "{path}");
        assert_eq!(
            ask(&server, &request, "If-None-Match: \"0\"\r\n")
                .await
                .status,
            200
        );
    }
    // A new snapshot is another version of its values, and the same of what has not changed.
    let tag = async |path: &str| {
        let answer = ask(&server, &format!("GET {path}"), "").await;
        answer.headers[ETAG].clone()
    };
    let before = [tag("/torrents.csv").await, tag("/torrents.atom").await];
    let mut snapshot = sample::snapshot();
    snapshot.taken.0 += 10;
    server.state.snapshot.store(Arc::new(snapshot));
    let after = [tag("/torrents.csv").await, tag("/torrents.atom").await];
    assert_ne!(before[0], after[0]);
    assert_eq!(before[1], after[1]);
    // The feed changes also when a torrent leaves it, which has no date.
    let feed = ask(&server, "GET /torrents.atom", "").await;
    assert!(!feed.headers.contains_key(LAST_MODIFIED));
    let known = "If-Modified-Since: Mon, 21 Sep 2099 14:05:00 GMT\r\n";
    assert_eq!(ask(&server, "GET /torrents.atom", known).await.status, 200);
}
