//! The feeds of torrents that need seeding.

use serde_json::Value;

use super::{ask, sample, serve};
use seedwatch_core::snapshot::{Privacy, Snapshot, Unix};
use seedwatch_dev_web::Response;

const API: &str = "/api/v1/needs-seeding";
const CONTRACT: &str = "/dyn/generate_torrents";
/// When the dead torrent of the sample became needy.
const SINCE: u64 = 1_789_999_500;

async fn get(snapshot: Snapshot, path: &str) -> Response {
    ask(&serve(snapshot), &format!("GET {path}"), "").await
}

async fn json(path: &str) -> Value {
    let answer = get(sample::snapshot(), path).await;
    assert_eq!(answer.status, 200, "{path}");
    serde_json::from_str(answer.text()).unwrap()
}

#[tokio::test]
async fn json_names_each_torrent_with_its_need_and_its_repaired_link() {
    let feed = json(API).await;
    assert_eq!(feed["needy"], 1);
    let torrent = &feed["torrents"][0];
    assert_eq!(
        (&torrent["name"], &torrent["state"]),
        (&"empty".into(), &"dead".into())
    );
    assert_eq!(
        (&torrent["copies"], &torrent["size_bytes"]),
        (&0.into(), &Value::Null)
    );
    assert_eq!(torrent["needy_since"], SINCE);
    let magnet = torrent["magnet"].as_str().unwrap();
    assert!(magnet.starts_with(&format!("magnet:?xt=urn:btih:{}&dn=empty", "01".repeat(20))));
    // The only torrent with a collection is alive; its size is known.
    let at_risk = serde_json::json!({"census": {"dead": 0, "at_risk": 0}});
    assert_eq!(feed["bytes_at_risk"], at_risk);
}

#[tokio::test]
async fn helper_programs_find_the_fields_of_their_contract() {
    let feed = json(&format!("{CONTRACT}?max_tb=1&format=json")).await;
    let torrent = &feed.as_array().unwrap()[0];
    assert_eq!(torrent["btih"], "01".repeat(20));
    assert_eq!(torrent["display_name"], "empty");
    assert_eq!(torrent["url"], torrent["magnet_link"]);
    assert_eq!(
        (&torrent["seeders"], &torrent["data_size"]),
        (&0.into(), &Value::Null)
    );
    for format in ["magnet", "url"] {
        let list = get(sample::snapshot(), &format!("{CONTRACT}?format={format}")).await;
        let lines: Vec<_> = list.text().lines().collect();
        assert_eq!(
            lines,
            [torrent["magnet_link"].as_str().unwrap()],
            "{format}"
        );
    }
}

#[tokio::test]
async fn rss_is_what_torrent_clients_read() {
    let answer = get(sample::snapshot(), &format!("{API}?format=rss")).await;
    assert_eq!(
        answer.headers["content-type"],
        "application/rss+xml; charset=utf-8"
    );
    let feed = answer.text();
    let guid = format!(
        "<guid isPermaLink=\"false\">urn:btih:{}</guid>",
        "01".repeat(20)
    );
    for part in [
        &*guid,
        "<title>empty</title>",
        "<link>magnet:?xt=urn:btih:",
        "length=\"0\" type=\"application/x-bittorrent\"/>",
        "<pubDate>Mon, 21 Sep 2026 14:05:00 GMT</pubDate>",
        "<description>dead, 0 known seeders</description>",
    ] {
        assert!(feed.contains(part), "{part}\n{feed}");
    }
    assert!(!feed.contains("torznab:attr"));
    let torznab = get(
        sample::snapshot(),
        &format!("{API}?format=torznab&link=page"),
    )
    .await;
    let feed = torznab.text();
    for part in [
        &*format!(
            "<torznab:attr name=\"infohash\" value=\"{}\"/>",
            "01".repeat(20)
        ),
        "<torznab:attr name=\"seeders\" value=\"0\"/>",
        "<torznab:attr name=\"magneturl\" value=\"magnet:?",
        "<torznab:attr name=\"category\" value=\"8000\"/>",
        "<link>tag:seedwatch,2026:needs-seeding</link>",
    ] {
        assert!(feed.contains(part), "{part}\n{feed}");
    }
    // RSS wants absolute links, and the address of the page is not known.
    assert!(!feed.contains("../"), "{feed}");
    assert_eq!(feed.matches("<link>").count(), 1, "{feed}");
}

/// The requests of Prowlarr: the capabilities without any parameter of ours, then searches.
#[tokio::test]
async fn torznab_clients_ask_for_capabilities_and_search() {
    let caps = get(
        sample::snapshot(),
        &format!("{API}/api?t=caps&apikey=hunter2"),
    )
    .await;
    assert_eq!(caps.status, 200);
    assert_eq!(
        caps.headers["content-type"],
        "application/xml; charset=utf-8"
    );
    for part in [
        "<search available=\"yes\" supportedParams=\"q\"/>",
        "<category id=\"8000\" name=\"Other\"/>",
        "<limits max=\"500\" default=\"500\"/>",
    ] {
        assert!(caps.text().contains(part), "{}", caps.text());
    }
    for (query, items) in [
        (
            "t=search&apikey=hunter2&extended=1&cat=&limit=100&offset=0",
            1,
        ),
        ("format=torznab&t=search&q=EMPTY&cat=5000,8000", 1),
        ("format=torznab&q=mpt", 1),
        ("t=tvsearch&q=nothing", 0),
        ("t=search&cat=5000", 0),
        ("t=search&offset=1", 0),
        ("t=search&limit=0", 0),
    ] {
        let answer = get(sample::snapshot(), &format!("{API}?{query}")).await;
        assert_eq!(answer.status, 200, "{query}: {}", answer.text());
        assert_eq!(answer.text().matches("<item>").count(), items, "{query}");
        assert!(!answer.text().contains("hunter2"));
    }
    for query in [
        "t=nothing",
        "t=search&format=rss",
        "t=search&cat=x",
        "format=rss&q=empty",
        "apikey=hunter2",
    ] {
        let answer = get(sample::snapshot(), &format!("{API}?{query}")).await;
        assert_eq!(answer.status, 400, "{query}");
        assert!(!answer.text().contains("hunter2"));
    }
}

#[tokio::test]
async fn a_torrent_without_a_file_is_not_called_missing() {
    for (name, error) in [
        ("empty", "the torrent has no torrent file"),
        ("nothing", "no such torrent"),
    ] {
        let answer = get(
            sample::snapshot(),
            &format!("/torrent-files/{name}.torrent"),
        )
        .await;
        assert_eq!(answer.status, 404);
        assert!(answer.text().contains(error), "{}", answer.text());
    }
}

#[tokio::test]
async fn hostile_names_stay_inert() {
    let mut snapshot = sample::snapshot();
    let dead = snapshot
        .rows()
        .position(|row| &*row.torrent.name == "empty")
        .unwrap();
    let mut torrents = snapshot.torrents.to_vec();
    torrents[dead].name = "]]><script>\u{202e}\u{1}\"&x=".into();
    snapshot.torrents = torrents.into();
    let answer = get(snapshot, &format!("{API}?format=rss")).await;
    let feed = answer.text();
    let title = "<title>]]&gt;&lt;script&gt;[U+202E]\u{fffd}&quot;&amp;x=</title>";
    assert!(feed.contains(title), "{feed}");
    assert!(feed.contains("&amp;dn=%5D%5D%3E%3Cscript%3E"), "{feed}");
}

#[tokio::test]
async fn a_reader_that_has_the_feed_gets_no_second_copy() {
    let server = serve(sample::snapshot());
    for path in [
        format!("{API}?format=rss"),
        format!("{API}?client=a"),
        CONTRACT.to_owned(),
    ] {
        let first = ask(&server, &format!("GET {path}"), "").await;
        let tag = first.headers["etag"].to_str().unwrap();
        let again = format!("If-None-Match: {tag}\r\n");
        let second = ask(&server, &format!("GET {path}"), &again).await;
        assert_eq!((second.status, second.text()), (304, ""), "{path}");
        // Seeders are counted anew and entries leave without a new date.
        assert!(!first.headers.contains_key("last-modified"), "{path}");
        let again = "If-Modified-Since: Mon, 21 Sep 2099 14:05:00 GMT\r\n";
        let third = ask(&server, &format!("GET {path}"), again).await;
        assert_eq!(third.status, 200, "{path}");
    }
}

#[tokio::test]
async fn errors_are_json_and_say_what_is_wrong() {
    for (path, status, error) in [
        (format!("{API}?max_tb=-1"), 400, "max_tb must be"),
        (format!("{CONTRACT}?tb=1"), 400, "unknown parameter"),
        (
            format!("{API}?collection=nothing"),
            404,
            "no such collection",
        ),
    ] {
        let answer = get(sample::snapshot(), &path).await;
        assert_eq!(answer.status, status, "{path}");
        let view: Value = serde_json::from_str(answer.text()).unwrap();
        assert!(view["error"].as_str().unwrap().starts_with(error), "{view}");
    }
    let empty = json(&format!("{API}?collection=census")).await;
    assert_eq!(empty["torrents"], serde_json::json!([]));
}

#[tokio::test]
async fn no_private_torrent_is_offered() {
    let mut snapshot = sample::snapshot();
    let mut torrents = snapshot.torrents.to_vec();
    for torrent in &mut torrents {
        torrent.privacy = Privacy::Consented;
    }
    snapshot.torrents = torrents.into();
    for format in ["json", "magnet", "rss", "torznab"] {
        let answer = get(snapshot.clone(), &format!("{API}?format={format}")).await;
        assert!(!answer.text().contains("magnet:"), "{format}");
    }
}

#[tokio::test]
async fn an_entry_keeps_the_time_of_its_need_while_it_recovers() {
    let mut snapshot = sample::snapshot();
    let needy_since = Unix(1_780_000_000);
    let rows: Vec<_> = snapshot
        .rows()
        .map(|view| {
            let mut row = *view.row;
            if view.torrent.size.is_some() {
                row.needy_since = needy_since.into();
            }
            let announces = view.announces.to_vec();
            (view.torrent.clone(), row, announces, view.windows.cloned())
        })
        .collect();
    snapshot = snapshot.with_torrents(rows);
    let answer = get(snapshot, API).await;
    let feed: Value = serde_json::from_str(answer.text()).unwrap();
    let last = feed["torrents"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&last["recovering"], &last["copies"]),
        (&true.into(), &30.into())
    );
    assert_eq!(last["needy_since"], needy_since.0);
}

/// After a restart nobody has counted seeders yet.
#[tokio::test]
async fn an_entry_whose_need_is_only_remembered_says_so() {
    let mut snapshot = sample::snapshot();
    let rows: Vec<_> = snapshot
        .rows()
        .map(|view| {
            let mut row = *view.row;
            if view.torrent.size.is_some() {
                row.needy_since = Unix(1_780_000_000).into();
                (row.seeders, row.dht_seeders) = Default::default();
            }
            let announces = view.announces.to_vec();
            (view.torrent.clone(), row, announces, view.windows.cloned())
        })
        .collect();
    snapshot = snapshot.with_torrents(rows);
    let answer = get(snapshot.clone(), API).await;
    let feed: Value = serde_json::from_str(answer.text()).unwrap();
    let last = feed["torrents"].as_array().unwrap().last().unwrap();
    assert_eq!(
        (&last["state"], &last["recovering"], &last["copies"]),
        (&"alive".into(), &false.into(), &Value::Null)
    );
    let rss = get(snapshot, &format!("{API}?format=rss")).await;
    let why = "alive, no source counts seeders now; it needed seeding when this was last known";
    assert!(rss.text().contains(why), "{}", rss.text());
    assert!(!rss.text().contains("well again"));
}
