//! The page about the daemon itself.

use super::*;
use seedwatch_core::snapshot::{ListRow, StateRow, Unix};

#[tokio::test]
async fn the_summary_counts() {
    let shown = page(sample::snapshot(), "/about").await;
    let summary = section(&shown, "summary");
    for line in [
        "<dt>Torrents</dt><dd>1 dead, 0 at risk, 0 unobserved, 1 pending, 1 alive, 1 private</dd>",
        "<dt>Trackers</dt><dd>2 up, 0 down, 0 unknown</dd>",
        "<dt>Distinct peers</dt><dd>61 in a day, 240 in a week, 700 in a month</dd>",
        "<dt>Our own network</dt><dd>IPv4 up, IPv6 ?</dd>",
        "<dt>DHT</dt><dd>IPv4 up, IPv6 ?</dd>",
        "<dt>DHT nodes</dt><dd>431 in our tables; 9,800,000 estimated over IPv4, ? over IPv6</dd>",
        "<dt>Configuration</dt><dd>loaded <time datetime=\"2026-09-21T14:13:20Z\">1 minute \
         ago</time></dd>",
        "<dt>Saved state</dt><dd>saved <time datetime=\"2026-09-21T14:14:10Z\">just now</time>, \
         failures: 1</dd>",
    ] {
        assert!(summary.contains(line), "{line}\n{summary}");
    }
    let mut snapshot = sample::snapshot();
    snapshot.config.last_reload_successful = false;
    snapshot.network_up = [Some(false), None];
    snapshot.names_fail = true;
    snapshot.dht = None;
    snapshot.state = Some(StateRow {
        last_save: Some(Unix(snapshot.taken.0 - 7201)),
        failures: 3,
    });
    let page = page(snapshot, "/about").await;
    for line in [
        "<dd class=\"bad\">the last reload failed; in force is what was loaded <time",
        "<dd class=\"bad\">IPv4 down, IPv6 ?</dd>",
        "<dd class=\"bad\">no name can be resolved</dd>",
        "<dt>DHT</dt><dd>not asked</dd>",
        "<dt>Saved state</dt><dd class=\"bad\">saved <time datetime=\"2026-09-21T12:14:59Z\">2 \
         hours ago</time>, failures: 3</dd>",
    ] {
        assert!(page.contains(line), "{line}\n{page}");
    }
}

#[tokio::test]
async fn an_empty_daemon_knows_nothing_and_says_so() {
    let page = page(Snapshot::default(), "/about").await;
    assert!(page.contains("0 dead, 0 at risk, 0 unobserved, 0 pending, 0 alive, 0 private"));
    assert!(page.contains("? in a day, ? in a week, ? in a month"));
    assert!(page.contains("<dt>Saved state</dt><dd>not kept</dd>"));
}

#[tokio::test]
async fn lists_are_shown_with_the_reason_why_they_are_down() {
    let list = |name: &str, is_up, reason| ListRow {
        name: name.into(),
        is_up,
        reason,
        entries: Some(18_000),
        last_success: Some(Unix(1_790_000_100 - 7200)),
        ..ListRow::default()
    };
    let mut snapshot = sample::snapshot();
    snapshot.lists = [
        list("<b>archive", Some(false), Some("too_large")),
        list("library", Some(true), None),
        ListRow {
            name: "new".into(),
            ..ListRow::default()
        },
    ]
    .into();
    let about = page(snapshot.clone(), "/about").await;
    let lists = section(&about, "lists");
    for row in [
        "<bdi>&lt;b&gt;archive</bdi></th><td class=\"bad\">down</td><td>too large</td>\
         <td class=\"n\">18,000</td><td><time datetime=\"2026-09-21T12:15:00Z\">2 hours ago</time>",
        "<bdi>library</bdi></th><td class=\"good\">up</td><td></td>",
        "<bdi>new</bdi></th><td class=\"other\">not fetched yet</td><td></td><td class=\"n\">?</td>\
         <td>never</td>",
    ] {
        assert!(lists.contains(row), "{row}\n{lists}");
    }
    let first = page(snapshot, "/").await;
    let line = "their last good copies are in use: <bdi>&lt;b&gt;archive</bdi>.</p>";
    assert!(first.contains(line), "{first}");
    assert!(
        !page(Snapshot::default(), "/about")
            .await
            .contains("id=\"lists\"")
    );
}
