//! The page for people.

use std::sync::Arc;

use data_encoding::BASE64;
use hyper::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use sha2::{Digest, Sha256};

use super::{sample, serve};
use crate::web::status;
use seedwatch_core::snapshot::{
    Cause, CollectionRow, FailureReason, ProbeError, Problem, Retry, Snapshot, StateRow, TrackerId,
    TrackerRow, Unix,
};
use seedwatch_core::verdict::{Condition, Conditions, Reason, State, Verdict};
use seedwatch_dev_web::ask;
use seedwatch_torrent::{Hashes, InfoHash};

/// The page, with the cells of a row on one line.
fn page(snapshot: &Snapshot) -> String {
    let mut page = String::new();
    status::write(snapshot, "/metrics", None, &mut page).unwrap();
    well_formed(&page);
    page.replace("\n<td", "<td")
}

/// Every tag is closed by its own, and rows are as wide as the head of their table.
fn well_formed(page: &str) {
    let mut open: Vec<&str> = Vec::new();
    let (mut columns, mut cells) = (0, 0);
    for piece in page.split('<').skip(1) {
        let (tag, _) = piece.split_once('>').unwrap();
        let name = tag.split(' ').next().unwrap();
        match name {
            "!DOCTYPE" | "meta" => continue,
            "table" => columns = 0,
            "tr" => cells = 0,
            "th" | "td" => cells += 1,
            "/tr" if columns == 0 => columns = cells,
            "/tr" => assert_eq!(cells, columns, "{piece}"),
            _ => {}
        }
        match name.strip_prefix('/') {
            None => open.push(name),
            Some(name) => assert_eq!(open.pop(), Some(name), "{piece}"),
        }
    }
    assert_eq!(open, Vec::<&str>::new());
}

/// What stands between a heading and the end of its section.
fn section<'a>(page: &'a str, id: &str) -> &'a str {
    let (_, rest) = page.split_once(&format!("<h2 id=\"{id}\">")).unwrap();
    rest.split_once("</section>").unwrap().0
}

fn rows(section: &str) -> usize {
    section.matches("<tr><th scope=\"row\">").count()
}

fn named(name: &str, id: u8) -> sample::Sample {
    sample::sample(name, Hashes::V1(InfoHash([id; 20])), &[])
}

fn tracker(label: &str, failures: u64) -> TrackerRow {
    let mut row = (**sample::snapshot().trackers[0].as_ref().unwrap()).clone();
    row.label = label.into();
    row.up = [Some(true), None];
    row.failures = [0; 13];
    row.failures[4] = failures;
    row
}

#[tokio::test]
async fn it_is_served_as_a_page_that_can_do_nothing() {
    let server = serve(sample::snapshot());
    let answer = ask(&server, "GET /", "").await;
    assert_eq!(answer.status, 200);
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
    assert!(policy.starts_with(&format!("default-src 'none'; style-src 'sha256-{hash}';")));
    for never in [
        "<script",
        "style=\"",
        "src=",
        "<link",
        "<img",
        " on",
        "javascript:",
    ] {
        let found = page.split('<').skip(1).find(|tag| {
            let tag = format!("<{}", tag.split('>').next().unwrap());
            tag.contains(never) && !tag.starts_with("</")
        });
        assert_eq!(found, None, "{never}");
    }

    let head = ask(&server, "HEAD /", "").await;
    assert_eq!(head.headers[CONTENT_TYPE], answer.headers[CONTENT_TYPE]);
    assert!(head.body.is_empty());
    let packed = ask(&server, "GET /", "Accept-Encoding: gzip\r\n").await;
    assert_eq!(packed.unpacked(), page);
    assert_eq!(ask(&server, "POST /", "").await.status, 405);
}

#[test]
fn it_can_be_read_by_all() {
    let page = page(&sample::snapshot());
    assert!(
        page.starts_with("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">")
    );
    assert!(page.contains("name=\"viewport\" content=\"width=device-width, initial-scale=1\""));
    assert!(page.contains("<title>seedwatch: 1 of 4 torrents dead</title>"));
    assert_eq!(page.matches("<h1>").count(), 1);
    assert_eq!(page.matches("<main>").count(), 1);
    // Every cell of a head says what it heads, and every table has a name.
    let heads = page.matches("<th ").count() + page.matches("<th>").count();
    assert_eq!(page.matches("<th scope=\"").count(), heads);
    for id in ["summary", "torrents", "collections", "trackers"] {
        assert_eq!(
            page.matches(&format!("<h2 id=\"{id}\">")).count(),
            1,
            "{id}"
        );
        assert!(page.contains(&format!("aria-labelledby=\"{id}\"")), "{id}");
    }
    for link in [
        "./metrics",
        "./config",
        "./api/v1/torrents",
        "./api/v1/collections",
    ] {
        assert!(page.contains(&format!("href=\"{link}\"")), "{link}");
    }
}

#[test]
fn the_summary_counts() {
    let page = page(&sample::snapshot());
    let summary = section(&page, "summary");
    for line in [
        "<dt>Torrents</dt><dd>1 dead, 0 at risk, 0 unobserved, 1 pending, 1 alive, 1 private</dd>",
        "<dt>Trackers</dt><dd>2 up, 0 down, 0 unknown</dd>",
        "<dt>Distinct peers</dt><dd>61 in a day, 240 in a week, 700 in a month</dd>",
        "<dt>Our own network</dt><dd>IPv4 up, IPv6 unknown</dd>",
        "<dt>DHT</dt><dd>IPv4 up, IPv6 unknown</dd>",
        "<dt>Configuration</dt><dd>loaded 1 minute ago</dd>",
        "<dt>Saved state</dt><dd>saved just now, failures: 1</dd>",
    ] {
        assert!(summary.contains(line), "{line}\n{summary}");
    }
    let mut snapshot = sample::snapshot();
    snapshot.config.last_reload_successful = false;
    snapshot.network_up = [Some(false), None];
    snapshot.dht = None;
    snapshot.state = Some(StateRow {
        last_save: Some(Unix(snapshot.taken.0 - 7201)),
        failures: 3,
    });
    let page = self::page(&snapshot);
    for line in [
        "<dd class=\"bad\">the last reload failed; in force is what was loaded 1 minute ago</dd>",
        "<dd class=\"bad\">IPv4 down, IPv6 unknown</dd>",
        "<dt>DHT</dt><dd>not asked</dd>",
        "<dt>Saved state</dt><dd class=\"bad\">saved 2 hours ago, failures: 3</dd>",
    ] {
        assert!(page.contains(line), "{line}");
    }
}

#[test]
fn what_needs_attention_comes_first() {
    let judged = |name: &str, state, reason, condition: Option<Condition>| {
        let mut it = named(name, 1);
        let conditions = condition.map(|it| Conditions::default().with(it, true));
        it.row.verdict = Verdict {
            state,
            reason,
            conditions: conditions.unwrap_or_default(),
            since: Unix(1_790_000_100 - 2 * 86_400).into(),
        };
        it
    };
    let alive = |name, condition| judged(name, State::Alive, Reason::PeersNamed, condition);
    let mut dead = judged("g dead", State::Dead, Reason::Empty, None);
    dead.row.peers = [Some(0).into(), None.into()];
    dead.row.last_peer_seen = Unix(1_790_000_100 - 20 * 86_400).into();
    let samples = [
        alive("a well", None),
        named("b new", 3),
        alive("c stranded", Some(Condition::NoTracker)),
        judged(
            "d few",
            State::AtRisk,
            Reason::PeersNamed,
            Some(Condition::FewPeers),
        ),
        judged("e unobserved", State::Unobserved, Reason::Silence, None),
        judged("f private", State::Private, Reason::Private, None),
        dead,
    ];
    let snapshot = sample::snapshot().with_torrents(samples.map(sample::Sample::parts));
    let page = page(&snapshot);
    let table = section(&page, "torrents");
    let order: Vec<&str> = table
        .split("<bdi>")
        .skip(1)
        .map(|rest| rest.split('<').next().unwrap())
        .collect();
    assert_eq!(
        order,
        [
            "g dead",
            "d few",
            "e unobserved",
            "c stranded",
            "b new",
            "a well",
            "f private"
        ]
    );
    for (row, cells) in [
        (
            "g dead",
            "<td class=\"bad\">dead</td><td>2 days ago</td><td class=\"text\">All sources that \
             answer have said for two rounds that the swarm is empty; the torrent has no \
             tracker. <strong>Seed it again.</strong></td><td>0</td><td>?</td><td>?</td><td>?</td>\
             <td>? of 0</td><td>?</td><td>20 days ago</td><td></td>",
        ),
        (
            "b new",
            "<td class=\"other\">pending</td><td>never</td><td class=\"text\">Not every source \
             has been asked yet. <strong>Wait for further rounds.</strong></td>\
             <td>?</td><td>?</td><td>?</td><td>?</td><td>? of 0</td><td>?</td><td>never</td>\
             <td></td>",
        ),
    ] {
        assert!(
            table.contains(&format!("<bdi>{row}</bdi></a></th>{cells}</tr>")),
            "{table}"
        );
    }
}

#[test]
fn names_cannot_break_out() {
    let evil = "</bdi><script>alert('1')</script>&\"/../%2f";
    let mut snapshot = sample::snapshot().with_torrents([named(evil, 1).parts()]);
    snapshot.collections = vec![Arc::new(CollectionRow {
        name: evil.into(),
        ..CollectionRow::default()
    })];
    snapshot.trackers = vec![Some(Arc::new(tracker(evil, 1)))];
    let page = page(&snapshot);
    let text = "&lt;/bdi&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;&quot;/../%2f";
    assert_eq!(page.matches(text).count(), 3);
    assert!(!page.contains("<script"));
    let segment = "%3C%2Fbdi%3E%3Cscript%3Ealert%28%271%27%29%3C%2Fscript%3E%26%22%2F..%2F%252f";
    for list in ["torrents", "collections"] {
        assert!(
            page.contains(&format!("href=\"./api/v1/{list}/{segment}\"")),
            "{list}"
        );
    }
    let mut page = String::new();
    status::write(&Snapshot::default(), "/\"><script>", None, &mut page).unwrap();
    assert!(page.contains("href=\"./&quot;&gt;&lt;script&gt;\""));
}

#[test]
fn the_page_stays_small() {
    let torrents = (0..1_700).map(|n| {
        let mut it = named(&format!("{n:05}"), 1);
        // The last ones are dead, the others pending.
        if n >= 1_600 {
            it.row.verdict.state = State::Dead;
        }
        it.parts()
    });
    let mut snapshot = sample::snapshot().with_torrents(torrents);
    snapshot.collections = (0..700)
        .map(|n| {
            Arc::new(CollectionRow {
                name: format!("{n:05}").into(),
                ..CollectionRow::default()
            })
        })
        .collect();
    snapshot.trackers = (0..600)
        .map(|n| Some(Arc::new(tracker(&format!("udp://{n:05}:1"), n))))
        .collect();
    let page = page(&snapshot);
    for (id, more) in [
        (
            "torrents",
            "<p>And 1200 more: <a href=\"./api/v1/torrents\">all</a>.</p>",
        ),
        (
            "collections",
            "<p>And 200 more: <a href=\"./api/v1/collections\">all</a>.</p>",
        ),
        // One of them never failed.
        (
            "trackers",
            "<p>And 99 more: <a href=\"./api/v1/torrents\">all</a>.</p>",
        ),
    ] {
        let section = section(&page, id);
        assert_eq!(rows(section), status::MAX_ROWS, "{id}");
        assert!(section.contains(more), "{id}");
    }
    let dead = section(&page, "torrents")
        .matches("<td class=\"bad\">dead</td>")
        .count();
    assert_eq!(dead, 100);
    assert!(section(&page, "trackers").contains("udp://00599:1"));
    assert!(page.len() < 500_000, "{}", page.len());
}

#[test]
fn failing_trackers_are_named_with_the_reason() {
    let mut snapshot = sample::snapshot();
    snapshot.trackers.push(Some(Arc::new(TrackerRow {
        certificate_expiry: Some(Unix(1_790_000_100 + 5 * 86_400 + 7)),
        ..tracker("https://often.example:443", 9)
    })));
    let page = page(&snapshot);
    let table = section(&page, "trackers");
    // What is down comes first; what never failed is not there.
    assert_eq!(rows(table), 2);
    let (first, second) = (
        table.find("udp://tracker.example:1337").unwrap(),
        table.find("https://often.example:443").unwrap(),
    );
    assert!(first < second);
    assert!(table.contains(
        "<td class=\"good\">up</td><td class=\"bad\">down</td><td>17</td><td>4</td>\
         <td>timeout</td><td></td><td></td></tr>"
    ));
    assert!(table.contains("<td>5 days left</td><td></td></tr>"));
    assert!(!page.contains("passkey"));
}

#[test]
fn what_trackers_say_is_shown_and_can_do_nothing() {
    let mut snapshot = sample::snapshot();
    let day = Some(Retry::After(std::time::Duration::from_secs(86_400)));
    let limit = ProbeError::new(FailureReason::RateLimited, "HTTP 429").with_retry(day);
    for (label, problem) in [
        (
            "http://may.example:80",
            Problem::Warning("<b>closes in May".into()),
        ),
        ("http://slow.example:80", Problem::Failed(limit)),
    ] {
        snapshot.trackers.push(Some(Arc::new(TrackerRow {
            problem: Some(Arc::new(problem)),
            ..tracker(label, 0)
        })));
    }
    let page = page(&snapshot);
    let table = section(&page, "trackers");
    assert_eq!(rows(table), 3);
    assert!(table.contains("<td><bdi>&lt;b&gt;closes in May</bdi></td></tr>"));
    assert!(table.contains("<td>rate_limited: HTTP 429, asks to wait 86400 s</td></tr>"));
}

#[test]
fn countries_come_with_their_credit() {
    let mut snapshot = sample::snapshot();
    let with = page(&snapshot);
    assert_eq!(
        with.matches("<td>US 21, DE 20, unknown 1</td></tr>")
            .count(),
        2
    );
    let (_, footer) = with.split_once("<footer>").unwrap();
    assert!(footer.contains(
        "<p>Countries: <a href=\"https://places.example\">Places by &lt;Somebody&gt;</a>, licensed \
         under <a href=\"https://creativecommons.org/licenses/by/4.0/\">CC BY 4.0</a></p>"
    ));
    snapshot.config.countries = false;
    assert!(!page(&snapshot).contains("US 21"));
    snapshot.geo.credit = None;
    assert!(!page(&snapshot).contains("CC BY"));
}

#[test]
fn an_empty_snapshot_is_a_whole_page() {
    let page = page(&Snapshot::default());
    for id in ["torrents", "collections", "trackers"] {
        assert!(section(&page, id).contains("<p>None.</p>"), "{id}");
    }
    assert!(
        page.contains("<dd>0 dead, 0 at risk, 0 unobserved, 0 pending, 0 alive, 0 private</dd>")
    );
    assert!(page.contains("? in a day, ? in a week, ? in a month"));
    assert!(page.contains("<dt>Saved state</dt><dd>not kept</dd>"));
    assert!(page.ends_with("</html>\n"));
}

#[test]
fn a_tracker_gone_from_the_configuration_is_no_hole() {
    let mut it = named("t", 1);
    it.announces = vec![sample::announce(TrackerId(99))];
    let snapshot = sample::snapshot().with_torrents([it.parts()]);
    assert_eq!(rows(section(&page(&snapshot), "torrents")), 1);
}

#[test]
fn characters_that_are_not_seen_are_shown() {
    let name = named("a\u{202e}gpj.exe\u{200b}<é", 1);
    let snapshot = sample::snapshot().with_torrents(std::iter::once(name.parts()));
    let page = page(&snapshot);
    assert!(
        page.contains("<bdi>a[U+202E]gpj.exe[U+200B]&lt;é</bdi>"),
        "{page}"
    );
    assert!(!page.contains(['\u{202e}', '\u{200b}']));
}

#[tokio::test]
async fn causes_are_told_once_on_the_page_and_in_the_api() {
    let mut snapshot = sample::snapshot();
    assert!(!page(&snapshot).contains("id=\"causes\""));
    snapshot.causes = vec![
        Cause::DhtSilent,
        Cause::TrackerDown {
            tracker: "http://a.example:80".into(),
            torrents: 3,
        },
    ];
    let text = "http://a.example:80 is down, and 3 torrents have no other tracker that gives a \
                valid answer.";
    let page = page(&snapshot);
    assert_eq!(page.matches(text).count(), 1);
    assert!(section(&page, "causes").contains(text));
    assert!(section(&page, "causes").contains("The DHT does not answer"));
    let server = serve(snapshot);
    let answer = ask(&server, "GET /api/v1/causes", "").await;
    let json: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(json["causes"][0]["kind"], "dht_silent");
    let expected = serde_json::json!({
        "kind": "tracker_down",
        "family": null,
        "tracker": "http://a.example:80",
        "torrents": 3,
        "text": text,
    });
    assert_eq!(json["causes"][1], expected);
}
