//! Pages can do nothing but be read, by everybody, and their links lead somewhere.

use std::collections::BTreeSet;
use std::sync::Arc;

use data_encoding::BASE64;
use hyper::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use sha2::{Digest, Sha256};

use super::*;
use seedwatch_core::events::{EventHistory, StateEvent};
use seedwatch_core::snapshot::{Cause, CollectionRow};
use seedwatch_core::verdict::{Reason, State};

#[tokio::test]
async fn they_are_served_as_pages_that_can_do_nothing() {
    let server = serve(sample::snapshot());
    for (path, status) in PAGES {
        let answer = ask(&server, &format!("GET {path}"), "").await;
        assert_eq!(answer.status, status, "{path}");
        assert_eq!(answer.headers[CONTENT_TYPE], "text/html; charset=utf-8");
        assert_eq!(answer.headers[X_CONTENT_TYPE_OPTIONS], "nosniff");
        assert_eq!(answer.headers[REFERRER_POLICY], "no-referrer");
        let page = answer.text();
        well_formed(page);
        // The policy admits the style of the page and nothing else, and the page has nothing else.
        let (_, rest) = page.split_once("<style>").unwrap();
        let (style, _) = rest.split_once("</style>").unwrap();
        let hash = BASE64.encode(&Sha256::digest(style));
        let policy = answer.headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert_eq!(
            policy,
            format!(
                "default-src 'none'; style-src 'sha256-{hash}'; base-uri 'none'; \
                 form-action 'self'; frame-ancestors 'none'"
            )
        );
        for never in [
            "<script",
            "style=\"",
            "src=",
            "<link",
            "<img",
            " on",
            "javascript:",
            "http-equiv",
        ] {
            let found = page.split('<').skip(1).find(|tag| {
                let tag = format!("<{}", tag.split('>').next().unwrap());
                tag.contains(never) && !tag.starts_with("</")
            });
            assert_eq!(found, None, "{path}: {never}");
        }

        let head = ask(&server, &format!("HEAD {path}"), "").await;
        assert_eq!(head.status, status, "{path}");
        assert_eq!(head.headers[CONTENT_TYPE], answer.headers[CONTENT_TYPE]);
        assert!(head.body.is_empty());
        let packed = ask(&server, &format!("GET {path}"), "Accept-Encoding: gzip\r\n").await;
        assert_eq!(packed.unpacked(), page);
        let post = ask(&server, &format!("POST {path}"), "").await;
        assert_eq!(post.status, 405, "{path}");
    }
    // The runbook has no form.
    let runbook = ask(&server, "GET /runbook", "").await;
    let policy = runbook.headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.contains("form-action 'none'"), "{policy}");
}

#[tokio::test]
async fn they_can_be_read_by_all() {
    let server = serve(sample::snapshot());
    for (path, _) in PAGES {
        let answer = ask(&server, &format!("GET {path}"), "").await;
        let page = answer.text();
        assert!(
            page.starts_with(
                "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">"
            )
        );
        assert!(page.contains("name=\"viewport\" content=\"width=device-width, initial-scale=1\""));
        assert_eq!(page.matches("<title>seedwatch: ").count(), 1, "{path}");
        assert_eq!(page.matches("<h1").count(), 1, "{path}");
        assert_eq!(page.matches("<main").count(), 1, "{path}");
        // Every cell of a head says what it heads.
        let heads = page.matches("<th ").count() + page.matches("<th>").count();
        assert_eq!(page.matches("<th scope=\"").count(), heads, "{path}");
        let mut ids: Vec<_> = page
            .split(" id=\"")
            .skip(1)
            .map(|id| id.split('"').next())
            .collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count, "{path}: an id twice");
        // Whatever has a drawing says what it shows, or hides it.
        for drawing in page.split("<svg").skip(1) {
            let (tag, _) = drawing.split_once('>').unwrap();
            let is_named = tag.contains("role=\"img\" aria-label=\"");
            assert!(
                is_named || tag.contains("aria-hidden=\"true\""),
                "{path}: {tag}"
            );
        }
    }
}

/// Returns the targets of the links of a page as local paths.
fn links(page: &str, path: &str) -> BTreeSet<String> {
    let folder = path.split('?').next().unwrap();
    let folder = &folder[..=folder.rfind('/').unwrap()];
    let hrefs = page.split("href=\"").skip(1);
    let hrefs = hrefs.map(|rest| rest.split('"').next().unwrap().replace("&amp;", "&"));
    hrefs
        .filter(|href| !href.starts_with("https://") && !href.starts_with("magnet:?xt=urn:"))
        .filter(|href| !href.starts_with('#') && !href.is_empty())
        .map(|href| match href.strip_prefix("../") {
            Some(rest) => {
                let parent = &folder[..folder.len() - 1];
                format!("{}{rest}", &parent[..=parent.rfind('/').unwrap()])
            }
            None if href.starts_with('?') => format!("{}{href}", path.split('?').next().unwrap()),
            None => format!("{folder}{}", href.strip_prefix("./").unwrap()),
        })
        .collect()
}

/// Returns a snapshot whose pages have every kind of link.
fn snapshot_with_links() -> Snapshot {
    let mut snapshot = sample::snapshot();
    snapshot.causes = vec![Cause::TrackerDown {
        tracker: "udp://tracker.example:1337".into(),
        torrents: 1,
    }];
    let events = (0..250).map(|n| StateEvent {
        torrent: InfoHash([1 + 8 * u8::from(n % 9 == 8); 20]),
        from: State::Alive,
        to: State::Dead,
        reason: Reason::Empty,
        at: seedwatch_core::snapshot::Unix(snapshot.taken.0 - 3600 + n).into(),
    });
    snapshot.events = Arc::new(EventHistory::of(events));
    let more = (0..250).map(|n| CollectionRow {
        name: format!("n/{n}?").into(),
        ..CollectionRow::default()
    });
    snapshot.collections.extend(more.map(Arc::new));
    snapshot.collections.sort_by(|a, b| a.name.cmp(&b.name));
    snapshot
}

#[tokio::test]
async fn every_link_leads_somewhere() {
    let server = serve(snapshot_with_links());
    let mut seen = BTreeSet::new();
    let mut next: Vec<_> = PAGES.iter().map(|(path, _)| (*path).to_owned()).collect();
    let mut depth = 0;
    while !next.is_empty() && depth < 2 {
        depth += 1;
        let mut found = BTreeSet::new();
        for path in std::mem::take(&mut next) {
            let answer = ask(&server, &format!("GET {path}"), "").await;
            let is_expected = PAGES.contains(&(path.as_str(), answer.status));
            assert!(
                answer.status == 200 || is_expected,
                "{path}: {}",
                answer.status
            );
            if answer.headers[CONTENT_TYPE] == "text/html; charset=utf-8" && path != "/runbook" {
                found.extend(links(answer.text(), &path));
            }
        }
        found.retain(|link| seen.insert(link.clone()));
        next.extend(found);
    }
    for expected in [
        "/torrents.csv",
        "/torrents.magnets.txt?condition=no_tracker&tracker=udp%3A//tracker.example%3A1337",
        "/events?page=2",
        "/collections?page=2",
        "/badge/collection/census.svg",
        "/badge/torrent/empty.svg",
        "/api/v1/torrents/empty",
        "/metrics",
        "/config",
        "/runbook",
    ] {
        let is_known = seen
            .iter()
            .any(|link| link.replace("%3A", ":") == expected.replace("%3A", ":"));
        assert!(is_known, "{expected}: {seen:#?}");
    }
}

#[tokio::test]
async fn names_cannot_break_out() {
    let evil = "</bdi><script>alert('1')</script>&\"/../%2f";
    let snapshot = || {
        let mut snapshot = sample::snapshot().with_torrents([named(evil, 1).parts()]);
        snapshot.collections = vec![Arc::new(CollectionRow {
            name: evil.into(),
            ..CollectionRow::default()
        })];
        snapshot.trackers = vec![Some(Arc::new(tracker(evil, 1)))];
        snapshot
    };
    let text = "&lt;/bdi&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;&quot;/../%2f";
    let segment = "%3C%2Fbdi%3E%3Cscript%3Ealert%28%271%27%29%3C%2Fscript%3E%26%22%2F..%2F%252f";
    let server = serve(snapshot());
    for list in ["torrents", "collections", "trackers"] {
        let page = page(snapshot(), &format!("/{list}")).await;
        assert!(page.contains(&format!("<bdi>{text}</bdi>")), "{list}");
        assert!(
            page.contains(&format!("href=\"./{list}/{segment}\"")),
            "{list}"
        );
        assert!(!page.contains("<script"), "{list}");
        let own = self::page(snapshot(), &format!("/{list}/{segment}")).await;
        assert!(
            own.contains(&format!("<h1><bdi>{text}</bdi></h1>")),
            "{list}: {own}"
        );
        assert!(!own.contains("<script"), "{list}");
    }
    for subject in ["torrent", "collection"] {
        let path = format!("GET /badge/{subject}/{segment}.svg");
        let badge = ask(&server, &path, "").await;
        assert_eq!(badge.status, 200);
        assert_eq!(badge.headers[CONTENT_TYPE], "image/svg+xml");
        assert!(!badge.text().contains("<script"), "{}", badge.text());
        assert!(
            badge.text().contains("&lt;/bdi&gt;&lt;script"),
            "{}",
            badge.text()
        );
    }
}

#[tokio::test]
async fn a_search_is_shown_and_can_do_nothing() {
    let page = page(
        sample::snapshot(),
        "/torrents?q=%22%3E%3Cscript%3E&label=%3Ci%3E",
    )
    .await;
    assert!(page.contains("value=\"&quot;&gt;&lt;script&gt;\""));
    assert!(page.contains("value=\"&lt;i&gt;\""));
    assert!(!page.contains("<script") && !page.contains("<i>"));
    assert!(page.contains("<p>No torrent matches."));
}

#[tokio::test]
async fn characters_that_are_not_seen_are_shown() {
    let name = named("a\u{202e}gpj.exe\u{200b}<é", 1);
    let snapshot = sample::snapshot().with_torrents(std::iter::once(name.parts()));
    for path in ["/torrents", "/torrents/a%E2%80%AEgpj.exe%E2%80%8B%3C%C3%A9"] {
        let page = page(snapshot.clone(), path).await;
        assert!(
            page.contains("<bdi>a[U+202E]gpj.exe[U+200B]&lt;é</bdi>"),
            "{page}"
        );
        assert!(!page.contains(['\u{202e}', '\u{200b}']));
    }
}

#[tokio::test]
async fn a_name_that_a_browser_takes_for_a_folder_has_a_page() {
    let snapshot = sample::snapshot().with_torrents([named("..", 7).parts()]);
    let hash = InfoHash([7; 20]);
    let list = page(snapshot.clone(), "/torrents").await;
    assert!(
        list.contains(&format!("href=\"./torrents/{hash}\"")),
        "{list}"
    );
    let own = page(snapshot, &format!("/torrents/{hash}")).await;
    assert!(own.contains("<h1><bdi>..</bdi></h1>"));
}

#[tokio::test]
async fn an_empty_snapshot_has_whole_pages() {
    for path in [
        "/",
        "/torrents",
        "/collections",
        "/trackers",
        "/countries",
        "/events",
        "/about",
    ] {
        let page = page(Snapshot::default(), path).await;
        assert!(page.ends_with("</html>\n"), "{path}");
    }
}
