//! Queries on snapshots.

use proptest::prelude::*;

use super::*;
use crate::metrics::tests::sample;
use seedwatch_core::snapshot::Unix;
use seedwatch_core::verdict::{Condition, Conditions, State, Verdict};
use seedwatch_torrent::{Details, Hashes, InfoHash};

/// Returns a snapshot of torrents with these names and states, whose peers are unknown.
fn snapshot<'a>(torrents: impl IntoIterator<Item = (&'a str, State)>) -> Snapshot {
    let rows = torrents.into_iter().enumerate().map(|(n, (name, state))| {
        let mut it = sample::sample(name, Hashes::V1(InfoHash([n as u8; 20])), &[]);
        it.row.verdict = Verdict {
            state,
            ..Verdict::default()
        };
        it.parts()
    });
    sample::snapshot().with_torrents(rows)
}

fn names(snapshot: &Snapshot, query: &str) -> Vec<String> {
    let query = TorrentQuery::parse(query).unwrap();
    let selection = query.select(snapshot);
    let indices = selection.indices.into_iter();
    indices
        .map(|index| snapshot.torrents[index].name.to_string())
        .collect()
}

#[test]
fn the_canonical_form_of_a_query_reads_back_as_the_query() {
    for (query, canonical) in [
        ("", ""),
        ("q=&state=&sort=&collection=", ""),
        (
            "limit=10&page=3&q=%20a+b%26%20&sort=-size&label=team%3Da%3Db&\
             tracker=udp%3A%2F%2Ft.example%3A80&collection=a%2Fb&condition=no_seeder&state=at_risk",
            "state=at_risk&condition=no_seeder&collection=a/b&tracker=udp://t.example:80&\
             label=team%3Da%3Db&q=a%20b%26&sort=-size&page=3&limit=10",
        ),
        ("label=team", "label=team"),
        ("q=%3Cb%3E%22'&sort=urgency", "q=%3Cb%3E%22%27&sort=urgency"),
    ] {
        let parsed = TorrentQuery::parse(query).unwrap();
        assert_eq!(parsed.to_query(), canonical);
        assert_eq!(TorrentQuery::parse(canonical), Ok(parsed));
    }
}

#[test]
fn errors_say_what_is_expected() {
    let number = "must be a number from 1 to";
    for (query, expected) in [
        (
            "stat=dead",
            "unknown parameter \"stat\"; known are state, condition, collection, tracker, label, \
             q, sort, page and limit"
                .to_owned(),
        ),
        (
            "state=at-risk",
            "state must be dead, at_risk, unobserved, pending, alive or private".to_owned(),
        ),
        (
            "condition=dead",
            "condition must be no_tracker, no_seeder, few_peers or one_network".to_owned(),
        ),
        ("page=0", format!("page {number} 1000000")),
        ("page=1000001", format!("page {number} 1000000")),
        ("limit=1001", format!("limit {number} 1000")),
        ("page=", format!("page {number} 1000000")),
        (
            "state=dead&state=dead",
            "the parameter state is given twice".to_owned(),
        ),
    ] {
        let error = TorrentQuery::parse(query).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
}

#[test]
fn links_change_one_part_of_a_query() {
    let query = TorrentQuery::parse("state=dead&q=a&page=4&limit=10").unwrap();
    assert_eq!(
        query.at_page(2).link("./torrents"),
        "./torrents?state=dead&q=a&page=2&limit=10"
    );
    assert_eq!(
        query.filtered(|filter| filter.q = None).to_query(),
        "state=dead&limit=10"
    );
    assert_eq!(
        query.sorted(Some(Sort::NAME)).to_query(),
        "state=dead&q=a&sort=name&limit=10"
    );
    assert_eq!(query.or_sort(Sort::NAME).sort, Some(Sort::NAME));
    assert_eq!(
        query.sorted(Some(Sort::LATEST)).or_sort(Sort::NAME).sort,
        Some(Sort::LATEST)
    );
    assert_eq!(TorrentQuery::default().link("./torrents"), "./torrents");
    assert_eq!(TorrentQuery::default().paged().page, Some(1));
    assert_eq!(query.paged().page, Some(4));
}

#[test]
fn filters_hold_together() {
    let rows = [("a", 0), ("b", 1), ("c", 2)].map(|(name, n)| {
        let mut it = sample::sample(name, Hashes::V1(InfoHash([n; 20])), &[]);
        it.row.verdict.state = if n == 2 { State::Alive } else { State::Dead };
        it.row.verdict.conditions = Conditions::default().with(Condition::NoSeeder, n > 0);
        it.torrent.details = Details {
            collection: (n != 1).then(|| "odd".into()),
            labels: [("team".to_owned(), format!("t{n}"))].into(),
            ..Details::default()
        }
        .boxed();
        it.parts()
    });
    let snapshot = sample::snapshot().with_torrents(rows);
    for (query, expected) in [
        ("", &["a", "b", "c"][..]),
        ("state=dead", &["a", "b"]),
        ("condition=no_seeder", &["b", "c"]),
        ("condition=no_seeder&state=dead", &["b"]),
        ("collection=odd", &["a", "c"]),
        ("collection=Odd", &[]),
        ("label=team", &["a", "b", "c"]),
        ("label=team=t1", &["b"]),
        ("label=team=", &[]),
        ("label=Team", &[]),
        ("q=B", &["b"]),
        ("q=010101", &["b"]),
        ("q=b&state=alive", &[]),
    ] {
        assert_eq!(
            names(&snapshot, &format!("{query}&sort=name")),
            expected,
            "{query}"
        );
    }
}

#[test]
fn a_tracker_finds_the_torrents_that_it_is_asked_about() {
    let snapshot = sample::snapshot();
    let with_tracker = |label: &str| names(&snapshot, &format!("sort=name&tracker={label}"));
    let all = snapshot.trackers.iter().flatten();
    for tracker in all {
        let expected = snapshot.rows().filter(|view| {
            let mut trackers = view.torrent.trackers.iter();
            !view.announces.is_empty() && trackers.any(|url| url.label() == *tracker.label)
        });
        let expected: Vec<_> = expected.map(|view| view.torrent.name.to_string()).collect();
        assert_eq!(with_tracker(&tracker.label), expected, "{}", tracker.label);
    }
    let label = "udp://tracker.example:1337";
    assert!(with_tracker(label).contains(&"a \"quoted\" \\ name\nof two lines".to_owned()));
    assert!(with_tracker("udp://tracker.example:1338").is_empty());
}

#[test]
fn the_most_urgent_come_first_and_equals_by_name() {
    let snapshot = snapshot([
        ("a", State::Alive),
        ("b", State::Private),
        ("c", State::Dead),
        ("d", State::AtRisk),
        ("e", State::Dead),
        ("f", State::Pending),
        ("g", State::Unobserved),
    ]);
    assert_eq!(names(&snapshot, ""), ["c", "e", "d", "g", "f", "a", "b"]);
    assert_eq!(
        names(&snapshot, "sort=-urgency"),
        ["b", "a", "f", "g", "d", "c", "e"]
    );
    assert_eq!(names(&snapshot, "sort=-name&state=dead"), ["e", "c"]);
}

#[test]
fn unknown_values_come_last_in_both_directions() {
    let rows = [
        ("a", None),
        ("b", Some(7)),
        ("c", Some(0)),
        ("d", None),
        ("e", Some(7)),
    ];
    let rows = rows.map(|(name, value)| {
        let mut it = sample::sample(name, Hashes::V1(InfoHash([1; 20])), &[]);
        it.row.peers = [value.into(), None.into()];
        it.row.seeders = value.into();
        it.torrent.size = value.and_then(|value| u64::from(value + 1).try_into().ok());
        let since = value.map_or(Unix(0), |value| Unix(1_700_000_000 + u64::from(value)));
        it.row.verdict.since = since.into();
        it.parts()
    });
    let snapshot = sample::snapshot().with_torrents(rows);
    for key in ["peers", "seeders", "size", "since"] {
        assert_eq!(
            names(&snapshot, &format!("sort={key}")),
            ["c", "b", "e", "a", "d"],
            "{key}"
        );
        assert_eq!(
            names(&snapshot, &format!("sort=-{key}")),
            ["b", "e", "c", "a", "d"],
            "{key}"
        );
    }
}

#[test]
fn pages_part_what_matches() {
    let names: Vec<_> = (0..250).map(|n| format!("{n:03}")).collect();
    let torrents = names.iter().map(|name| (name.as_str(), State::Alive));
    let snapshot = snapshot(torrents);
    let select = |query: &str| TorrentQuery::parse(query).unwrap().select(&snapshot);
    for (query, page, pages, indices, neighbours) in [
        ("", 1, 1, 0..250, [None, None]),
        ("page=1", 1, 3, 0..100, [None, Some(2)]),
        ("page=3", 3, 3, 200..250, [Some(2), None]),
        ("page=4", 4, 3, 0..0, [Some(3), None]),
        ("page=1000000", 1_000_000, 3, 0..0, [Some(3), None]),
        ("limit=1000", 1, 1, 0..250, [None, None]),
        ("limit=7&page=2", 2, 36, 7..14, [Some(1), Some(3)]),
        ("limit=125", 1, 2, 0..125, [None, Some(2)]),
    ] {
        let found = select(query);
        assert_eq!(found.total, 250, "{query}");
        assert_eq!((found.page, found.pages), (page, pages), "{query}");
        assert_eq!(found.neighbours(), neighbours, "{query}");
        assert!(found.indices.into_iter().eq(indices), "{query}");
    }
    let none = select("q=nothing&limit=5");
    assert_eq!((none.total, none.page, none.pages), (0, 1, 1));
}

proptest! {
    #[test]
    fn any_text_is_a_query_or_an_error(
        text in "\\PC{0,60}|(state|condition|label|q|sort|page|limit)=\\PC{0,40}",
    ) {
        match TorrentQuery::parse(&text) {
            Ok(query) => {
                let canonical = query.to_query();
                prop_assert!(canonical.bytes().all(|byte| byte.is_ascii_graphic()));
                prop_assert_eq!(TorrentQuery::parse(&canonical), Ok(query));
            }
            Err(error) => prop_assert!(error.to_string().len() < 1000),
        }
    }
}
