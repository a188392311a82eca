//! The pages of trackers.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use seedwatch_core::snapshot::{Cause, FailureReason, ProbeError, Problem, Retry, Unix};

#[tokio::test]
async fn failing_trackers_come_first_with_the_reason() {
    let mut snapshot = sample::snapshot();
    snapshot.trackers.push(Some(Arc::new(TrackerRow {
        certificate_expiry: Some(Unix(1_790_000_100 + 5 * 86_400 + 7)),
        ..tracker("https://often.example:443", 9)
    })));
    let page = page(snapshot, "/trackers").await;
    assert!(page.contains("<p>3 up, 0 down, 0 unknown."));
    assert_eq!(
        names(&page),
        [
            "udp://tracker.example:1337",
            "https://secure.example:443",
            "https://often.example:443"
        ]
    );
    assert!(
        page.contains(
            "<td class=\"good\">up</td><td class=\"bad\">down</td><td class=\"n\">3</td>\
         <td class=\"n\">41 ms</td><td class=\"n\">30 min</td><td class=\"n\">17</td>\
         <td class=\"n\">4</td><td>timeout</td><td></td><td class=\"text\"></td></tr>"
        ),
        "{page}"
    );
    assert!(page.contains("<td>5 days left</td><td class=\"text\"></td></tr>"));
    assert!(!page.contains("passkey"));
}

#[tokio::test]
async fn what_trackers_say_is_shown_and_can_do_nothing() {
    let mut snapshot = sample::snapshot();
    let day = Some(Retry::After(Duration::from_secs(86_400)));
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
    let list = page(snapshot.clone(), "/trackers").await;
    assert_eq!(rows(&list), 4);
    assert!(list.contains("<bdi>&lt;b&gt;closes in May</bdi></td></tr>"));
    assert!(
        list.contains("rate_limited: HTTP 429, asks to wait 86,400 s</td></tr>"),
        "{list}"
    );
    for (path, text) in [
        ("may", "<bdi>&lt;b&gt;closes in May</bdi></dd>"),
        ("slow", "rate_limited: HTTP 429, asks to wait 86,400 s</dd>"),
    ] {
        let path = format!("/trackers/http%3A%2F%2F{path}.example%3A80");
        let page = page(snapshot.clone(), &path).await;
        assert!(page.contains(text), "{page}");
    }
}

#[tokio::test]
async fn a_tracker_that_refuses_shows_its_message() {
    let mut snapshot = sample::snapshot();
    snapshot.causes = vec![Cause::TrackerRefuses {
        tracker: "udp://tracker.example:1337".into(),
        torrents: 2,
        message: "Requested download is not authorized".into(),
    }];
    for path in ["/trackers", "/trackers/udp%3A%2F%2Ftracker.example%3A1337"] {
        let page = page(snapshot.clone(), path).await;
        let text = "refuses 2 torrents: <bdi>Requested download is not authorized</bdi>";
        assert_eq!(page.matches(text).count(), 1, "{page}");
    }
}

#[tokio::test]
async fn a_tracker_names_the_torrents_that_use_it() {
    let path = "/trackers/udp%3A%2F%2Ftracker.example%3A1337";
    let page = page(sample::snapshot(), path).await;
    for part in [
        "<dt>State</dt><dd>IPv4 <span class=\"good\">up</span>, IPv6 <span class=\"bad\">down</span>",
        "<dt>Torrents</dt><dd>3 use it, of which 1 need something</dd>",
        "<dt>Asked next</dt><dd><time datetime=\"2026-09-21T14:20:00Z\">in 5 minutes</time></dd>",
        "<tr><th scope=\"row\">IPv4</th><td class=\"n\">1 ms</td><td class=\"n\">20 ms</td>\
         <td class=\"n\"></td><td class=\"n\">20 ms</td></tr>",
        "<tr><th scope=\"row\">timeout</th><td class=\"n\">4</td></tr>",
        "href=\"../torrents?tracker=udp://tracker.example:1337\"",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    let table = section(&page, "torrents");
    assert_eq!(names(table)[0], "empty");
    assert_eq!(rows(table), 3);
}
