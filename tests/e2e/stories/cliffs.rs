//! What the daemon will say of falls of countries once it has watched for two days.
//!
//! The daemon of an incident lives for seconds. So its counts before and after are given to the
//! same code in virtual time: for more than a day those before, for an hour those after.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use seedwatch_core::cliff::{Cliffs, LIST, RunningMinute, SourceLists};

/// The families with peers by country, and the endings of their names.
const FAMILIES: [&str; 2] = ["seedwatch_collection_country", "seedwatch_torrent_country"];
const PEERS: &str = "_peers{";
const CLIFF: &str = "_cliff{";

/// Hours before and after the fall.
const BEFORE: u32 = 29;
const AFTER: u32 = 1;
/// Minutes between two samples.
const STEP: usize = 5;

/// The peers by country of each torrent and collection: the beginning of the series, up to the
/// country, and the codes of the countries with their peers.
type Counts = BTreeMap<String, Vec<(u32, u32)>>;

/// Returns the series of all falls between two pages, one per line.
pub(super) fn between(before: &str, after: &str) -> String {
    let (before, after) = (counts(before), counts(after));
    let sources = SourceLists {
        lists: &[(0, LIST)],
        tolerance: 0,
    };
    let mut cliffs = Cliffs::<String>::default();
    for minute in (0..(BEFORE + AFTER) * 60).step_by(STEP) {
        let at = RunningMinute {
            hour: 1 + minute / 60,
            minute: (minute % 60) as u8,
        };
        let counts = if at.hour <= BEFORE { &before } else { &after };
        for (group, countries) in counts {
            cliffs.sample(group.clone(), at, sources, 0, countries.iter().copied());
        }
    }
    let mut text = String::new();
    for group in after.keys() {
        for (country, ratio) in cliffs.of(group.as_str()) {
            let [_, _, a, b] = country.to_be_bytes().map(char::from);
            let group = group.replace(PEERS, CLIFF);
            writeln!(text, "{group}country=\"{a}{b}\"}} {}", ratio.0).unwrap();
        }
    }
    text
}

fn counts(page: &str) -> Counts {
    let mut counts = Counts::new();
    for line in page.lines() {
        let is_wanted = |family: &&str| line.starts_with(&format!("{family}{PEERS}"));
        let Some((group, rest)) = line.split_once("country=\"") else {
            continue;
        };
        let (country, value) = rest.split_once("\"} ").unwrap();
        // `unknown` is no country.
        if let Ok(code) = <[u8; 2]>::try_from(country.as_bytes())
            && FAMILIES.iter().any(is_wanted)
        {
            let key = u16::from_be_bytes(code).into();
            let peers = value.parse().unwrap();
            counts
                .entry(group.to_owned())
                .or_default()
                .push((key, peers));
        }
    }
    counts
}

#[test]
fn only_the_country_that_fell_is_named() {
    let page = |us| {
        format!(
            "seedwatch_torrent_country_peers{{torrent=\"t\",country=\"RU\"}} 500\n\
             seedwatch_torrent_country_peers{{torrent=\"t\",country=\"US\"}} {us}\n\
             seedwatch_torrent_country_peers{{torrent=\"t\",country=\"unknown\"}} 0\n"
        )
    };
    assert_eq!(between(&page(400), &page(400)), "");
    let fallen = between(&page(400), &page(40));
    let expected = "seedwatch_torrent_country_cliff{torrent=\"t\",country=\"US\"} 0.1";
    assert!(
        fallen.starts_with(expected) && fallen.lines().count() == 1,
        "{fallen}"
    );
}
