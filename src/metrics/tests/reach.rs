//! Unique peers per window, and peers by country, network and autonomous system.

use std::sync::Arc;

use super::{of, one_torrent, sample, text, unknown};
use seedwatch_core::snapshot::{
    CollectionRow, Count, Country, CountryPeers, CountryRow, Counts, GeoBreakdown, GeoRow,
    Snapshot, Source, TorrentWindows, Unix, Window,
};

const DAY: u64 = 24 * 3600;

/// Returns a snapshot of one torrent. Its last valid answers have these ages in seconds, by source.
fn answered(ages: [Option<u64>; 2], reach: Option<TorrentWindows>) -> Snapshot {
    let now = 1_790_000_100;
    let mut it = unknown();
    for (source, age) in Source::ALL.into_iter().zip(ages) {
        let windows = Window::ALL.into_iter();
        let within =
            windows.filter(|window| age.is_some_and(|age| age < u64::from(window.hours()) * 3600));
        it.row.listed = it.row.listed.with(source, within);
    }
    it.reach = reach;
    let snapshot = one_torrent(it);
    assert_eq!(snapshot.taken, Unix(now));
    snapshot
}

#[test]
fn a_window_without_an_answer_is_absent() {
    let dht = Source::Dht.index();
    for (age, windows) in [
        (0, &["1d", "30d", "7d"][..]),
        (DAY - 1, &["1d", "30d", "7d"]),
        (DAY, &["30d", "7d"]),
        (7 * DAY - 1, &["30d", "7d"]),
        (7 * DAY, &["30d"]),
        (30 * DAY - 1, &["30d"]),
        (30 * DAY, &[]),
    ] {
        let mut ages = [None; 2];
        ages[dht] = Some(age);
        let page = text(answered(ages, None));
        let all = windows
            .iter()
            .map(|window| format!("torrent=\"t\",window=\"{window}\"}} 0"));
        let one = windows
            .iter()
            .map(|window| format!("torrent=\"t\",source=\"dht\",window=\"{window}\"}} 0"));
        assert_eq!(
            of(&page, "seedwatch_torrent_unique_peers"),
            all.collect::<Vec<_>>(),
            "{age}"
        );
        assert_eq!(
            of(&page, "seedwatch_torrent_source_unique_peers"),
            one.collect::<Vec<_>>(),
            "{age}"
        );
    }
}

#[test]
fn sources_are_counted_apart() {
    let counts = Counts {
        all: [5, 6, 7],
        by_source: [[1, 2, 3], [4, 5, 6]],
    };
    let reach = TorrentWindows { counts, geo: None };
    // The DHT last answered eight days ago, so only its monthly count is known.
    let page = text(answered([Some(8 * DAY), Some(60)], Some(reach)));
    assert_eq!(
        of(&page, "seedwatch_torrent_unique_peers"),
        [
            "torrent=\"t\",window=\"1d\"} 5",
            "torrent=\"t\",window=\"30d\"} 7",
            "torrent=\"t\",window=\"7d\"} 6",
        ]
    );
    assert_eq!(
        of(&page, "seedwatch_torrent_source_unique_peers"),
        [
            "torrent=\"t\",source=\"dht\",window=\"30d\"} 3",
            "torrent=\"t\",source=\"tracker\",window=\"1d\"} 4",
            "torrent=\"t\",source=\"tracker\",window=\"30d\"} 6",
            "torrent=\"t\",source=\"tracker\",window=\"7d\"} 5",
        ]
    );
    // The current peers are unknown, so their places are too.
    for name in [
        "countries",
        "country_peers",
        "prefixes",
        "autonomous_systems",
    ] {
        assert!(
            !page.contains(&format!("seedwatch_torrent_{name}{{")),
            "{name}"
        );
    }
}

#[test]
fn an_empty_swarm_has_zero_places() {
    let mut it = unknown();
    it.row.peers = [Some(0).into(), None.into()];
    let mut snapshot = one_torrent(it);
    let page = text(snapshot.clone());
    for name in ["countries", "prefixes", "autonomous_systems"] {
        let name = format!("seedwatch_torrent_{name}");
        assert_eq!(of(&page, &name), ["torrent=\"t\"} 0"], "{name}");
    }
    // The share of the largest system is undefined in an empty swarm.
    assert!(!page.contains("largest_as_ratio"));
    assert!(!page.contains("torrent_country_peers"));

    snapshot.geo = GeoRow::default();
    snapshot.totals = Default::default();
    let page = text(snapshot);
    for name in [
        "torrent_autonomous_systems",
        "as_peers",
        "geoip",
        "unique_peers{",
    ] {
        assert!(!page.contains(&format!("seedwatch_{name}")), "{name}");
    }
}

#[test]
fn a_recently_left_country_is_an_explicit_zero() {
    let page = text(sample::snapshot());
    let countries = of(&page, "seedwatch_torrent_country_peers");
    let of_country = |code: &str| {
        let label = format!("country=\"{code}\"}} ");
        let mut found = countries.iter().filter_map(|line| line.split_once(&label));
        let value = found.next().map(|(_, value)| value);
        assert!(found.next().is_none(), "{code} twice");
        value
    };
    assert_eq!(of_country("FR"), Some("0"));
    assert_eq!(of_country("US"), Some("21"));
    assert_eq!(of_country("unknown"), Some("1"));
    assert_eq!(of_country("SE"), None);
    // France has no peers now, and `unknown` is not a country.
    let name = r#"torrent="a \"quoted\" \\ name\nof two lines"} 2"#;
    assert_eq!(of(&page, "seedwatch_torrent_countries")[0], name);
}

#[test]
fn countries_beyond_the_limit_are_one_series_and_the_sum_stays() {
    let sum = |snapshot| {
        let page = text(snapshot);
        let lines = of(&page, "seedwatch_torrent_country_peers");
        let peers = lines.iter().filter_map(|line| line.rsplit_once(' '));
        let sum: u32 = peers.map(|(_, peers)| peers.parse::<u32>().unwrap()).sum();
        (lines.len(), sum, page)
    };
    let (_, all, page) = sum(sample::snapshot());
    assert!(!page.contains("country=\"other\""));
    let totals = of(&page, "seedwatch_country_peers").join("\n");
    let mut limited = sample::snapshot();
    limited.config.country_limit = Some(1);
    let (lines, limited, page) = sum(limited);
    assert_eq!((lines, limited), (2, all));
    assert!(page.contains(",country=\"other\"} 21"), "{page}");
    // The sums of all torrents and the collections name all countries.
    assert_eq!(of(&page, "seedwatch_country_peers").join("\n"), totals);
    assert!(totals.contains("country=\"DE\"} 20"), "{totals}");
}

#[test]
fn countries_can_be_switched_off() {
    let mut snapshot = sample::snapshot();
    snapshot.config.countries = false;
    let page = text(snapshot);
    let families = page.lines().filter(|line| line.starts_with("# TYPE "));
    assert_eq!(families.filter(|line| line.contains("_countr")).count(), 0);
    assert!(!page.contains("country=\""));
    for name in ["torrent_prefixes", "collection_peers", "as_peers"] {
        assert!(page.contains(&format!("seedwatch_{name}{{")), "{name}");
    }
}

#[test]
fn unknown_values_of_a_collection_are_absent() {
    let mut snapshot = one_torrent(unknown());
    snapshot.collections = vec![Arc::new(CollectionRow {
        name: "c".into(),
        torrents: 2,
        peers: [None.into(), Some(0).into()],
        unique: [None.into(), Some(3).into(), Some(3).into()],
        countries: vec![CountryRow {
            country: Country::parse("DE"),
            peers: Count::UNKNOWN,
            unique: [None.into(), Some(3).into(), None.into()],
        }],
    })];
    let page = text(snapshot);
    for (name, expected) in [
        ("collections", &["1"][..]),
        ("collection_torrents", &["collection=\"c\"} 2"]),
        ("collection_peers", &["collection=\"c\",family=\"ipv6\"} 0"]),
        (
            "collection_unique_peers",
            &[
                "collection=\"c\",window=\"30d\"} 3",
                "collection=\"c\",window=\"7d\"} 3",
            ],
        ),
        ("collection_country_peers", &[]),
        (
            "collection_country_unique_peers",
            &["collection=\"c\",country=\"DE\",window=\"7d\"} 3"],
        ),
    ] {
        assert_eq!(of(&page, &format!("seedwatch_{name}")), expected, "{name}");
    }
}

#[test]
fn samples_are_in_label_order() {
    let mut it = unknown();
    it.row.peers = [Some(9).into(), None.into()];
    let countries = ["AD", "DE", "ZW", ""].map(|code| CountryPeers::new(Country::parse(code), 1));
    it.reach = Some(TorrentWindows {
        geo: Some(Arc::new(GeoBreakdown {
            countries: countries.into(),
            ..GeoBreakdown::default()
        })),
        ..TorrentWindows::default()
    });
    let pages = [text(one_torrent(it)), text(sample::snapshot())];
    for page in &pages {
        for name in [
            "as_peers",
            "collection_country_unique_peers",
            "geoip_database_build_timestamp_seconds",
            "torrent_country_peers",
            "torrent_source_unique_peers",
            "unique_peers",
        ] {
            let labels: Vec<&str> = of(page, &format!("seedwatch_{name}"))
                .iter()
                .map(|line| line.rsplit_once(' ').unwrap().0)
                .collect();
            assert!(labels.is_sorted(), "{name}: {labels:?}");
        }
    }
}
