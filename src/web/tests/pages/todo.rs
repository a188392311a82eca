//! What needs doing.

use std::sync::Arc;

use super::*;
use seedwatch_core::events::{EventHistory, StateEvent};
use seedwatch_core::snapshot::{Cause, ListRow, Unix};
use seedwatch_core::verdict::{Condition, Conditions, Reason, State, Verdict};

/// Returns a torrent that was judged two days ago.
pub(super) fn judged(
    name: &str,
    state: State,
    reason: Reason,
    condition: Option<Condition>,
) -> sample::Sample {
    let mut it = named(name, 1);
    let conditions = condition.map(|it| Conditions::default().with(it, true));
    it.row.verdict = Verdict {
        state,
        reason,
        conditions: conditions.unwrap_or_default(),
        since: Unix(1_790_000_100 - 2 * 86_400).into(),
    };
    it
}

/// Returns one torrent of each kind, sorted by name.
pub(super) fn one_of_each() -> Snapshot {
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
    sample::snapshot().with_torrents(samples.map(sample::Sample::parts))
}

#[tokio::test]
async fn torrents_that_need_something_come_first_and_others_not_at_all() {
    let page = page(one_of_each(), "/").await;
    assert!(page.contains("<title>seedwatch: 1 of 7 torrents dead</title>"));
    let table = section(&page, "torrents");
    assert_eq!(
        names(table),
        ["g dead", "d few", "e unobserved", "c stranded"]
    );
    assert!(page.contains("<h2 id=\"torrents\">To do (4)</h2>"));
    let dead = "<bdi>g dead</bdi></a>\n<small>All sources that answer have said for two rounds that \
                the swarm is empty; the torrent has no tracker. Seed it again.</small></th><td class=\"bad\">dead</td>";
    assert!(table.contains(dead), "{table}");
    let numbers = "<td></td><td>0</td><td>?</td><td>?</td><td>?</td><td>?/0</td>\
                   <td><a href=\"magnet:?xt=urn:btih:0101";
    assert!(table.contains(numbers), "{table}");
}

#[tokio::test]
async fn healthy_torrents_in_one_network_are_nothing_to_do() {
    let condition = Some(Condition::OneNetwork);
    let well = judged("well", State::Alive, Reason::PeersNamed, condition);
    let page = page(sample::snapshot().with_torrents([well.parts()]), "/").await;
    assert!(page.contains("<h2 id=\"torrents\">To do (0)</h2>"));
    assert!(names(section(&page, "torrents")).is_empty());
}

#[tokio::test]
async fn tiles_count_and_lead_to_what_they_count() {
    let page = page(one_of_each(), "/").await;
    for (class, link, count, text) in [
        ("bad", "./torrents?state=dead", "1", "dead"),
        ("poor", "./torrents?state=at_risk", "1", "at risk"),
        ("unseen", "./torrents?state=unobserved", "1", "unobserved"),
        ("other", "./torrents?state=pending", "1", "pending"),
        ("good", "./torrents?state=alive", "2", "alive"),
        ("other", "./torrents?state=private", "1", "private"),
        ("good", "./trackers", "0", "trackers down of 2"),
        ("good", "./about", "up", "own network, DHT up"),
    ] {
        let tile = format!(
            "<li class=\"{class}\"><a href=\"{link}\"><b>{count}</b> <span>{text}</span></a></li>"
        );
        assert!(page.contains(&tile), "{tile}\n{page}");
    }
}

#[tokio::test]
async fn an_outage_and_a_silent_dht_are_seen_at_once() {
    let mut snapshot = one_of_each();
    snapshot.network_up = [Some(false), None];
    let dht = snapshot.dht.as_mut().unwrap();
    dht.families
        .iter_mut()
        .flatten()
        .for_each(|it| it.up = Some(false));
    let down = page(snapshot.clone(), "/").await;
    let tile = "<li class=\"bad\"><a href=\"./about\"><b>down</b> <span>own network, DHT down";
    assert!(down.contains(tile), "{down}");
    snapshot.network_up = [Some(false), Some(true)];
    snapshot.dht = None;
    let half = page(snapshot, "/").await;
    let tile =
        "<li class=\"poor\"><a href=\"./about\"><b>up in part</b> <span>own network, DHT off";
    assert!(half.contains(tile), "{half}");
}

#[tokio::test]
async fn causes_are_told_once_on_the_page_and_in_the_api() {
    let mut snapshot = sample::snapshot();
    assert!(!page(snapshot.clone(), "/").await.contains("id=\"causes\""));
    snapshot.causes = vec![
        Cause::DhtSilent,
        Cause::TrackerDown {
            tracker: "http://a.example:80".into(),
            torrents: 3,
        },
        Cause::TrackerRefuses {
            tracker: "udp://b.example:1".into(),
            torrents: 2,
            message: "Requested <b>download</b> is not authorized".into(),
        },
    ];
    let text = "http://a.example:80 is down, and 3 torrents have no other tracker that gives a \
                valid answer.";
    let page = page(snapshot.clone(), "/").await;
    assert_eq!(page.matches(text).count(), 1);
    let link = "<a href=\"./torrents?condition=no_tracker&amp;tracker=http://a.example:80\">";
    assert!(
        section(&page, "causes").contains(&format!("{text} {link}")),
        "{page}"
    );
    assert!(section(&page, "causes").contains("The DHT does not answer"));
    let refusal = "udp://b.example:1 refuses 2 torrents. It says “<bdi>Requested \
                   &lt;b&gt;download&lt;/b&gt; is not authorized</bdi>”. \
                   <a href=\"./torrents?tracker=udp://b.example:1\">";
    let causes = section(&page, "causes")
        .replace("&#60;", "&lt;")
        .replace("&#62;", "&gt;");
    assert!(causes.contains(refusal), "{causes}");
    let server = serve(snapshot);
    let answer = ask(&server, "GET /api/v1/causes", "").await;
    let json: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(json["causes"][0]["kind"], "dht_silent");
    let expected = serde_json::json!({
        "kind": "tracker_down",
        "family": null,
        "tracker": "http://a.example:80",
        "torrents": 3,
        "message": null,
        "text": text,
    });
    assert_eq!(json["causes"][1], expected);
    let expected = serde_json::json!({
        "kind": "tracker_refuses",
        "family": null,
        "tracker": "udp://b.example:1",
        "torrents": 2,
        "message": "Requested <b>download</b> is not authorized",
        "text": "udp://b.example:1 refuses 2 torrents.",
    });
    assert_eq!(json["causes"][2], expected);
}

#[tokio::test]
async fn many_causes_are_cut() {
    let mut snapshot = sample::snapshot();
    let cause = |n| Cause::TrackerDown {
        tracker: format!("http://{n}.example:80").into(),
        torrents: 3,
    };
    snapshot.causes = (0..100).map(cause).collect();
    let page = page(snapshot, "/").await;
    assert_eq!(section(&page, "causes").matches("<li>").count(), 10);
    assert!(page.contains("<p>And 90 more: <a href=\"./trackers\">"));
}

#[tokio::test]
async fn changes_since_yesterday_are_told_by_kind() {
    let mut snapshot = sample::snapshot();
    let died = |ago: u64| StateEvent {
        torrent: InfoHash([1; 20]),
        from: State::Alive,
        to: State::Dead,
        reason: Reason::Empty,
        at: Unix(1_790_000_100 - ago).into(),
    };
    snapshot.events = Arc::new(EventHistory::of([died(3600)]));
    let page = page(snapshot.clone(), "/").await;
    assert!(!section(&page, "changes").contains("./events?"));
    let line = "<li><span class=\"bad\">1 died</span>: <a href=\"./torrents/empty\"><bdi>empty\
                </bdi></a></li>";
    assert!(section(&page, "changes").contains(line), "{page}");
    let torrents = (1..=5).map(|n| {
        let mut it = judged(&format!("t{n}"), State::Dead, Reason::Empty, None);
        it.torrent.hashes = named("", n).torrent.hashes;
        it.parts()
    });
    let mut many = sample::snapshot().with_torrents(torrents);
    let each = |n| StateEvent {
        torrent: InfoHash([n; 20]),
        ..died(3600)
    };
    many.events = Arc::new(EventHistory::of((1..=5).map(each)));
    let page = self::page(many, "/").await;
    let more = "<a href=\"./events?change=died\">and 2 more</a>";
    assert!(section(&page, "changes").contains(more), "{page}");
    snapshot.events = Arc::new(EventHistory::of([died(25 * 3600)]));
    let page = self::page(snapshot, "/").await;
    assert!(!page.contains("id=\"changes\""));
}

#[tokio::test]
async fn an_installation_without_torrents_says_how_to_begin() {
    let page = page(Snapshot::default(), "/").await;
    assert!(section(&page, "empty").contains("torrents:\n  - magnet: "));
    assert!(!page.contains("id=\"torrents\""));
    assert!(!page.contains("id=\"pending\""));
}

#[tokio::test]
async fn the_first_minute_says_what_to_wait_for() {
    let torrents = [named("a", 1), named("b", 2)].map(sample::Sample::parts);
    let page = page(sample::snapshot().with_torrents(torrents), "/").await;
    assert!(section(&page, "pending").contains("2 of 2 torrents are pending"));
    assert!(section(&page, "pending").contains("within a minute or two"));
    assert!(section(&page, "pending").contains("Of 2, not every source was asked yet."));
    let nothing = "<p>Nothing so far: 2 of 2 torrents are pending.</p>";
    assert!(section(&page, "torrents").contains(nothing));
    assert!(
        !self::page(one_of_each(), "/")
            .await
            .contains("id=\"pending\"")
    );
}

#[tokio::test]
async fn phones_have_no_links_off_the_screen_and_placeholders_can_be_read() {
    let page = page(one_of_each(), "/torrents").await;
    assert!(page.contains(".torrents thead { display: none; }"));
    assert!(page.contains("::placeholder { color: var(--other); opacity: 1; }"));
    // Phones sort by the form.
    assert!(page.contains("<label>Order <select name=\"sort\">"));
}

#[tokio::test]
async fn trackers_that_were_not_asked_yet_are_neither_up_nor_down() {
    let mut snapshot = sample::snapshot();
    snapshot.trackers = vec![Some(Arc::new(TrackerRow {
        up: [None; 2],
        ..tracker("http://a.example:80", 0)
    }))];
    let page = page(snapshot, "/").await;
    let tile = "<li class=\"other\"><a href=\"./trackers\"><b>0</b> <span>trackers down of 1<";
    assert!(page.contains(tile), "{page}");
}

#[tokio::test]
async fn torrents_that_were_asked_about_in_vain_are_not_called_unasked() {
    let pending = |name, reason| judged(name, State::Pending, reason, None).parts();
    let torrents = [
        pending("a", Reason::Silence),
        pending("b", Reason::DhtSilent),
        pending("c", Reason::EmptyRecently),
    ];
    let page = page(sample::snapshot().with_torrents(torrents), "/").await;
    let part = section(&page, "pending");
    assert!(
        part.starts_with("Most torrents cannot be judged yet</h2>"),
        "{part}"
    );
    assert!(part.contains("Of 2, sources were asked, and there is no usable answer yet."));
    assert!(part.contains("Of 1, sources were asked, and none lists a peer."));
    assert!(!part.contains("not every source") && !part.contains("90 minutes"));
}

#[tokio::test]
async fn without_torrents_lists_that_fail_are_told() {
    for (ups, expected) in [
        (vec![None, None], "(2), and none was read yet"),
        (
            vec![None, Some(false)],
            "(2), and 1 of them were not read yet",
        ),
        (vec![Some(false)], "(1), and none gives a torrent."),
        (
            vec![Some(true)],
            "(1), and they have no torrents that can be watched.",
        ),
    ] {
        let row = |(n, is_up): (usize, Option<bool>)| ListRow {
            name: format!("list{n}").into(),
            is_up,
            entries: (is_up == Some(true)).then_some(0),
            ..ListRow::default()
        };
        let snapshot = Snapshot {
            lists: ups.iter().copied().enumerate().map(row).collect(),
            ..Snapshot::default()
        };
        let page = page(snapshot, "/").await;
        let part = section(&page, "empty");
        assert!(
            part.starts_with("No torrents yet") && part.contains(expected),
            "{part}"
        );
        assert!(!page.contains("No torrents are configured"));
        let lost = page.contains("cannot be fetched, and there is no good copy of them: <bdi>");
        assert_eq!(lost, ups.contains(&Some(false)), "{page}");
    }
}

#[tokio::test]
async fn countries_come_with_their_credit() {
    let mut snapshot = sample::snapshot();
    let with = page(snapshot.clone(), "/collections").await;
    assert!(
        with.contains("<td>US 21, DE 20, unknown 1</td></tr>"),
        "{with}"
    );
    let own = page(snapshot.clone(), "/collections/census").await;
    assert!(
        own.contains("<th scope=\"row\">Germany</th><td class=\"n\">20</td>"),
        "{own}"
    );
    let (_, footer) = with.split_once("<footer>").unwrap();
    assert!(footer.contains(
        "<p>Countries: <a href=\"https://places.example\">Places by &lt;Somebody&gt;</a>, licensed \
         under <a href=\"https://creativecommons.org/licenses/by/4.0/\">CC BY 4.0</a></p>"
    ));
    snapshot.config.countries = false;
    for path in ["/collections", "/collections/census", "/countries"] {
        let page = page(snapshot.clone(), path).await;
        assert!(
            !page.contains("US 21") && !page.contains("Germany"),
            "{path}"
        );
    }
    let off = page(snapshot.clone(), "/countries").await;
    assert!(off.contains("<code>metrics.countries</code> is <code>false</code>"));
    snapshot.geo.credit = None;
    assert!(!page(snapshot, "/").await.contains("CC BY"));
}
