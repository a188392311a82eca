//! Events, in the API and on the page.

use std::sync::Arc;

use serde_json::Value;

use super::{ask, sample, serve};
use seedwatch_core::events::{EventHistory, StateEvent};
use seedwatch_core::snapshot::{Snapshot, Unix};
use seedwatch_core::verdict::{Reason, State};
use seedwatch_torrent::InfoHash;

const EMPTY: InfoHash = InfoHash([1; 20]);
const GONE: InfoHash = InfoHash([9; 20]);

/// Returns a snapshot with the death of a torrent, and older changes of one that is gone.
pub(super) fn snapshot(older: u64) -> Snapshot {
    let mut snapshot = sample::snapshot();
    let taken = snapshot.taken.0;
    let event = |torrent, to, ago| StateEvent {
        torrent,
        from: State::Alive,
        to,
        reason: Reason::Empty,
        at: Unix(taken - ago).into(),
    };
    let older = (1..=older).map(|n| event(GONE, State::AtRisk, 7200 - n));
    let death = event(EMPTY, State::Dead, 3600);
    snapshot.events = Arc::new(EventHistory::of(older.chain([death])));
    snapshot
}

async fn get(snapshot: Snapshot, query: &str) -> (u16, Value) {
    let server = serve(snapshot);
    let answer = ask(&server, &format!("GET /api/v1/events{query}"), "").await;
    let kind = answer.headers["content-type"].to_str().unwrap();
    assert_eq!(kind, "application/json", "{query}");
    (answer.status, serde_json::from_str(answer.text()).unwrap())
}

#[tokio::test]
async fn events_are_the_latest_first_with_names() {
    let (status, all) = get(snapshot(2), "").await;
    let taken = all["taken"].as_u64().unwrap();
    assert_eq!((status, &all["more"]), (200, &Value::Bool(false)));
    let gone = "0909090909090909090909090909090909090909";
    let at_risk = |at: u64| {
        serde_json::json!({"torrent": null, "infohash": gone, "from": "alive", "to": "at_risk",
            "reason": "empty", "at": at})
    };
    let death = serde_json::json!({"torrent": "empty", "infohash": "01".repeat(20),
        "from": "alive", "to": "dead", "reason": "empty", "at": taken - 3600});
    let expected = [death, at_risk(taken - 7198), at_risk(taken - 7199)];
    assert_eq!(all["events"].as_array().unwrap()[..], expected);
}

#[tokio::test]
async fn queries_narrow_events() {
    let taken = sample::snapshot().taken.0;
    let since = format!("?since={}", taken - 3600);
    // The oldest two are 7199 and 7198 seconds old.
    let until = format!("?until={}", taken - 7198);
    let second = format!("?until={0}&since={0}", taken - 7198);
    let hash = format!("?torrent={GONE}&limit=7");
    for (query, expected, more) in [
        ("?torrent=empty", 1, false),
        ("?torrent=private", 0, false),
        (&since, 1, false),
        (&hash, 7, true),
        ("", 100, true),
        ("?limit=1000", 151, false),
        ("?limit=100&page=2", 51, false),
        ("?limit=50&page=2", 50, true),
        ("?page=3", 0, false),
        (&until, 2, false),
        (&second, 1, false),
    ] {
        let (status, found) = get(snapshot(150), query).await;
        let count = found["events"].as_array().unwrap().len();
        assert_eq!((status, count), (200, expected), "{query}");
        assert_eq!(found["more"], more, "{query}");
    }
    let (status, error) = get(snapshot(1), "?limit=5&sort=name").await;
    assert_eq!(status, 400);
    assert!(
        error["error"]
            .as_str()
            .unwrap()
            .contains("unknown parameter")
    );
    assert_eq!(get(snapshot(1), "?torrent=unknown").await.0, 404);
}

#[tokio::test]
async fn the_page_shows_the_latest_events() {
    let server = serve(snapshot(120));
    let answer = ask(&server, "GET /events", "").await;
    let page = answer.text().replace("\n<td", "<td");
    assert_eq!(page.matches("<th scope=\"row\">").count(), 100);
    let first = "ago</time></td>\n<th scope=\"row\"><a href=\"./torrents/empty\"><bdi>empty</bdi></a>\
                 </th><td>alive</td><td class=\"bad\">dead</td><td class=\"text\">All sources that \
                 answered said for two rounds that the swarm is empty.</td></tr>";
    assert!(page.contains(first), "{page}");
    assert!(page.contains("<li>Page 1 of 2</li>"), "{page}");
    let answer = ask(&server, "GET /events?page=3", "").await;
    let last = "There is no page 3. <a href=\"?page=2\">The last page</a> is 2.";
    assert!(answer.text().contains(last), "{}", answer.text());
    let answer = ask(&server, "GET /events?page=2", "").await;
    assert_eq!(answer.text().matches("<th scope=\"row\">").count(), 21);
    // A torrent that is not configured any more has no page.
    assert!(
        answer
            .text()
            .contains(&format!("<th scope=\"row\"><code>{GONE}</code></th>"))
    );
}

#[tokio::test]
async fn the_page_and_its_links_keep_to_one_torrent_or_one_kind_of_change() {
    let server = serve(snapshot(3));
    let get = async |path: &str| ask(&server, &format!("GET {path}"), "").await;
    let own = get("/events?torrent=empty").await;
    assert!(
        own.text()
            .contains("<h1>Events of <bdi>empty</bdi> (1)</h1>")
    );
    for link in [
        "./events.atom?torrent=empty\"",
        "./api/v1/events?torrent=empty&amp;limit=1000\"",
    ] {
        assert!(own.text().contains(link), "{link}\n{}", own.text());
    }
    for (change, count) in [("died", 1), ("became_at_risk", 3), ("recovered", 0)] {
        let page = get(&format!("/events?change={change}")).await;
        let page = page.text();
        assert_eq!(page.matches("<th scope=\"row\">").count(), count, "{page}");
        assert!(!page.contains("./events.atom"), "{page}");
    }
    assert_eq!(get("/events?change=NOPE").await.status, 400);
}
