//! Peers over time and by country, from the wire to metrics, the API and the status page.

use crate::rig::daemon::{Daemon, LAB, config, entry};
use crate::rig::scripted::{self, Truth, UdpTracker};
use crate::rig::swarm::fresh_hash;
use crate::rig::wire::hex;

/// Two peers in Germany, one in France, and one without a country. A tracker lists them; nothing
/// contacts them.
const PEERS: [&str; 4] = [
    "80.130.1.1:6881",
    "217.0.1.1:6881",
    "90.10.10.10:6881",
    "127.60.9.1:6881",
];

/// The metrics of the torrents `second` and `gone`, and of the collection `work`. Both torrents of
/// the collection have the same peers, so their union has the same size.
const COUNTS: [(&str, Option<f64>); 17] = [
    (
        r#"seedwatch_torrent_unique_peers{torrent="second",window="1d"}"#,
        Some(4.0),
    ),
    (
        r#"seedwatch_torrent_source_unique_peers{torrent="second",source="tracker",window="30d"}"#,
        Some(4.0),
    ),
    (
        r#"seedwatch_torrent_countries{torrent="second"}"#,
        Some(2.0),
    ),
    (r#"seedwatch_torrent_prefixes{torrent="second"}"#, Some(4.0)),
    (
        r#"seedwatch_torrent_country_peers{torrent="second",country="DE"}"#,
        Some(2.0),
    ),
    (
        r#"seedwatch_torrent_country_peers{torrent="second",country="unknown"}"#,
        Some(1.0),
    ),
    (
        r#"seedwatch_collection_torrents{collection="work"}"#,
        Some(2.0),
    ),
    (
        r#"seedwatch_collection_peers{collection="work",family="ipv4"}"#,
        Some(4.0),
    ),
    (
        r#"seedwatch_collection_unique_peers{collection="work",window="7d"}"#,
        Some(4.0),
    ),
    (
        r#"seedwatch_collection_country_peers{collection="work",country="FR"}"#,
        Some(1.0),
    ),
    (
        r#"seedwatch_collection_country_unique_peers{collection="work",country="DE",window="30d"}"#,
        Some(2.0),
    ),
    (r#"seedwatch_unique_peers{window="1d"}"#, Some(4.0)),
    (
        r#"seedwatch_torrent_unique_peers{torrent="gone",window="30d"}"#,
        Some(0.0),
    ),
    (r#"seedwatch_torrent_countries{torrent="gone"}"#, Some(0.0)),
    // The DHT is off, and there is no database of autonomous systems.
    (
        r#"seedwatch_torrent_source_unique_peers{source="dht"}"#,
        None,
    ),
    ("seedwatch_torrent_autonomous_systems", None),
    (
        r#"seedwatch_geoip_database_build_timestamp_seconds{database="asn"}"#,
        None,
    ),
];

/// The metrics after a reload that removes countries and one torrent. Unique counts remain.
const COUNTS_WITHOUT_COUNTRIES: [(&str, Option<f64>); 4] = [
    (
        r#"seedwatch_collection_torrents{collection="work"}"#,
        Some(1.0),
    ),
    (
        r#"seedwatch_collection_unique_peers{collection="work",window="1d"}"#,
        Some(4.0),
    ),
    (
        r#"seedwatch_torrent_unique_peers{torrent="second",window="1d"}"#,
        Some(4.0),
    ),
    ("seedwatch_torrent_countries", None),
];

#[test]
fn countries_and_windows_are_shown_alike_everywhere() {
    let (busy, idle) = (tracker(&PEERS), tracker(&[]));
    let watched = [
        torrent("'<b>first</b> & last'", &busy, ", collection: work"),
        torrent("second", &busy, ", collection: work"),
        torrent("gone", &idle, ""),
    ];
    let daemon = Daemon::start(&config(LAB, &watched));
    let page = daemon.wait_for_values(&COUNTS);
    let built = page.get(r#"seedwatch_geoip_database_build_timestamp_seconds{database="country"}"#);
    assert!(built > Some(1.7e9), "{built:?}");
    let shown = [page.to_string(), assert_api(&daemon), assert_html(&daemon)];
    for peer in PEERS {
        let (address, _) = peer.split_once(':').unwrap();
        assert!(
            !shown.iter().any(|text| text.contains(address)),
            "{address}"
        );
    }

    let hidden = format!("{LAB}metrics: {{countries: false}}\n");
    daemon.write_config(&config(&hidden, &watched[1..]));
    assert_eq!(daemon.reload().status, 200);
    let page = daemon.wait_for_values(&COUNTS_WITHOUT_COUNTRIES);
    let of_countries: Vec<&str> = page
        .names()
        .filter(|name| name.contains("_countr"))
        .collect();
    assert_eq!(of_countries, Vec::<&str>::new());
    assert!(json(&daemon, "/api/v1/torrents/second")["countries"].is_null());
    assert!(!daemon.get("/collections").text().contains("DE 2"));
    assert!(!daemon.get("/torrents/second").text().contains("Germany"));
}

fn tracker(peers: &[&str]) -> UdpTracker {
    let truth = Truth::of(peers.iter().map(|peer| peer.parse().unwrap()));
    UdpTracker::start(move |packet| vec![scripted::honest(packet, &truth)])
}

/// Returns the entry of a new torrent, with more settings at its end.
fn torrent(name: &str, tracker: &UdpTracker, more: &str) -> String {
    let entry_text = entry(name, &hex(&fresh_hash()), &[tracker.endpoint().url()]);
    entry_text.replace("}\n", &format!("{more}}}\n"))
}

fn json(daemon: &Daemon, path: &str) -> serde_json::Value {
    serde_json::from_str(&daemon.get(path).text()).unwrap()
}

/// Checks a collection and a torrent in the API, and returns both.
fn assert_api(daemon: &Daemon) -> String {
    let work = json(daemon, "/api/v1/collections/work");
    assert_eq!(work["unique_peers"]["1d"], 4);
    assert_eq!(work["countries"]["DE"]["peers"], 2);
    let first = json(daemon, "/api/v1/torrents/%3Cb%3Efirst%3C%2Fb%3E%20&%20last");
    assert_eq!(first["collection"], "work");
    assert_eq!(
        first["countries"],
        serde_json::json!({"DE": 2, "FR": 1, "unknown": 1})
    );
    format!("{work}{first}")
}

/// Checks the pages, and returns them.
fn assert_html(daemon: &Daemon) -> String {
    let answer = daemon.get("/");
    assert_eq!(
        answer.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    let policy = answer.header("content-security-policy").unwrap();
    assert!(policy.starts_with("default-src 'none'; "), "{policy}");
    let paths = [
        "/about",
        "/torrents",
        "/torrents/second",
        "/collections",
        "/countries",
    ];
    let pages = paths.map(|path| daemon.get(path).text());
    let html = format!("{}{}", answer.text(), pages.concat());
    for expected in [
        // A death takes two rounds that are 90 minutes apart.
        "<title>seedwatch: 0 of 3 torrents dead</title>",
        "<dd>4 in a day, 4 in a week, 4 in a month</dd>",
        "<tr><th scope=\"row\">Germany</th><td>DE</td><td class=\"n\">4</td>",
        "<tr><th scope=\"row\">Germany</th><td class=\"n\">2</td>",
        "<bdi>&lt;b&gt;first&lt;/b&gt; &amp; last</bdi>",
        "<td>DE 2, FR 1, unknown 1</td>",
        "<a href=\"https://db-ip.com\">IP Geolocation by DB-IP</a>",
    ] {
        assert!(html.contains(expected), "{expected}\n{html}");
    }
    let position = |text: &str| html.find(text).unwrap();
    assert!(position("<bdi>gone") < position("<bdi>second"), "{html}");
    html
}
