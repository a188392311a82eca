//! The page of a torrent.

use std::sync::Arc;
use std::time::Duration;

use super::*;
use seedwatch_core::events::{EventHistory, StateEvent};
use seedwatch_core::history::{Day, PeerRange, UtcDay};
use seedwatch_core::snapshot::{Privacy, Unix};
use seedwatch_core::verdict::{Reason, State};

const TAKEN: u64 = 1_790_000_100;
const ALIVE: &str = "/torrents/a%20%22quoted%22%20%5C%20name%0Aof%20two%20lines";

#[tokio::test]
async fn it_says_the_verdict_its_reason_and_what_each_source_says() {
    let page = page(sample::snapshot(), ALIVE).await;
    for part in [
        "<p><strong class=\"poor\">alive</strong> since <time datetime=\"2026-09-21T14:05:00Z\">\
         2026-09-21 14:05 UTC</time> (10 minutes ago). 42 peers, all in one autonomous system or prefix; 1 of 2 trackers \
         gives a valid answer and the DHT answers.</p>",
        "<p>Conditions: all peers in one network.</p>",
        "<tr><th scope=\"row\">All sources</th><td class=\"n\">42</td><td class=\"n\">61</td>\
         <td class=\"n\">240</td><td class=\"n\">700</td><td class=\"n\">30</td>",
        "<tr><th scope=\"row\">DHT</th><td class=\"n\">17</td>",
        "<td class=\"good\">answers</td><td class=\"text\"><bdi>closes in May</bdi></td>\
         <td class=\"n\">42</td><td class=\"n\">30</td><td class=\"n\">9</td>\
         <td class=\"n\">1,234</td><td class=\"n\">30 min</td>",
        "<td class=\"bad\">fails</td><td class=\"text\"><bdi>rejected: unregistered torrent</bdi>",
        "<a href=\"../trackers/udp%3A%2F%2Ftracker.example%3A1337\"><bdi>udp://tracker.example:1337",
        "<td>never</td><td><time datetime=\"2026-09-21T14:20:00Z\">in 5 minutes</time></td>\
         <td class=\"n\">41 ms</td></tr>",
        "<a href=\"../collections/census\"><bdi>census</bdi></a>",
        "<dt>Size</dt><dd>4.4 GiB</dd>",
        "<dt>team</dt><dd><bdi>archive</bdi></dd>",
        "<th scope=\"row\">United States</th><td class=\"n\">21</td>",
    ] {
        assert!(page.contains(part), "{part}\n{page}");
    }
    assert!(page.contains(&format!("<code>{}</code>", "0f".repeat(20))));
    assert!(page.contains(&format!("<code>{}</code>", "c4".repeat(32))));
}

#[tokio::test]
async fn magnet_links_are_shown_as_published_and_repaired() {
    let page = page(sample::snapshot(), ALIVE).await;
    let magnets = section(&page, "magnets");
    assert!(
        magnets.contains("<dt>Repaired</dt><dd class=\"magnet\"><a href=\"magnet:?xt=urn:btih:")
    );
    assert!(magnets.contains("xt=urn:btmh:1220"), "{magnets}");
    assert!(magnets.contains("<dt>As published</dt><dd class=\"magnet\">the same</dd>"));
    assert!(magnets.contains("https://secure.example:443 is left out: it refuses this torrent."));
    assert!(!page.contains("passkey/"));
    assert!(!page.contains("secret-passkey"));
}

#[tokio::test]
async fn a_torrent_file_is_offered_if_there_is_one_and_it_is_public() {
    for (privacy, is_offered) in [(Privacy::Public, true), (Privacy::Consented, false)] {
        let mut it = named("t 1", 1);
        it.torrent.privacy = privacy;
        it.torrent.details = seedwatch_torrent::Details {
            file: Some(std::path::Path::new("t.torrent").into()),
            ..seedwatch_torrent::Details::default()
        }
        .boxed();
        let snapshot = sample::snapshot().with_torrents([it.parts()]);
        let page = page(snapshot, "/torrents/t%201").await;
        let link = "<a href=\"../torrent-files/t%201.torrent\">Torrent file</a>";
        assert_eq!(page.contains(link), is_offered, "{page}");
    }
}

#[tokio::test]
async fn a_private_torrent_has_no_magnet_link() {
    for privacy in [Privacy::LeftAlone, Privacy::Consented] {
        let mut it = named("t", 1);
        it.torrent.privacy = privacy;
        let snapshot = sample::snapshot().with_torrents([it.parts()]);
        for path in ["/torrents/t", "/torrents"] {
            let page = page(snapshot.clone(), path).await;
            assert!(!page.contains("magnet:"), "{path}");
        }
    }
}

/// Returns a day with peers, so many days before the snapshot.
fn day(ago: u64, peers: u32) -> Day {
    Day {
        date: UtcDay::of(Unix(TAKEN - ago * 86_400)).unwrap(),
        peers: Some(PeerRange {
            least: peers / 2,
            most: peers,
        }),
        unique: Some(peers + 1),
        seeders: None,
        trackers_online: Some(1),
        worst: Some(State::Alive),
        last: Some(State::Alive),
        known: Duration::from_secs(86_400),
    }
}

#[tokio::test]
async fn days_are_drawn_with_gaps_where_nothing_was_known() {
    let days = vec![day(40, 900), day(5, 4), day(4, 2), day(2, 8)];
    let snapshot = sample::snapshot().with_torrents([named("t", 1).parts()]);
    let snapshot = snapshot.with_histories([days]);
    let own = page(snapshot.clone(), "/torrents/t").await;
    let chart = section(&own, "days");
    assert_eq!(chart.matches("<rect class=\"gap\"").count(), 4, "{chart}");
    assert_eq!(chart.matches("<rect class=\"good\"").count(), 3, "{chart}");
    assert_eq!(rows(chart), 4);
    let row = "<tr><th scope=\"row\"><time>2026-09-19</time></th><td>alive</td><td class=\"n\">9</td>\
               <td class=\"n\">4</td><td class=\"n\">8</td><td class=\"n\">1</td></tr>";
    assert!(chart.contains(row), "{chart}");
    // The small drawing shows 30 days: one line, and a dot after a gap.
    let list = page(snapshot, "/torrents").await;
    assert!(list.contains("role=\"img\" aria-label=\"5 to 9 peers, most 9\""));
    assert_eq!(
        list.matches("<path d=\"M98 7l0 0 4 3M110 1l0 0\"/>")
            .count(),
        1,
        "{list}"
    );
    let without = page(sample::snapshot(), "/torrents/empty").await;
    assert!(!without.contains("id=\"days\""));
}

#[tokio::test]
async fn its_events_are_there() {
    let mut snapshot = sample::snapshot();
    let event = |n: u64| StateEvent {
        torrent: InfoHash([1; 20]),
        from: State::Alive,
        to: State::AtRisk,
        reason: Reason::PeersNamed,
        at: Unix(TAKEN - 7200 + n).into(),
    };
    snapshot.events = Arc::new(EventHistory::of((0..30).map(event)));
    let page = page(snapshot.clone(), "/torrents/empty").await;
    let events = section(&page, "events");
    assert_eq!(
        events.matches("<td class=\"poor\">at risk</td>").count(),
        20
    );
    assert!(
        events.contains("<a href=\"../events?torrent=empty\">All 30</a>"),
        "{events}"
    );
    let all = self::page(snapshot, "/events?torrent=empty").await;
    assert!(all.contains("<h1>Events of <bdi>empty</bdi> (30)</h1>"));
    assert_eq!(all.matches("<td class=\"poor\">at risk</td>").count(), 30);
}
