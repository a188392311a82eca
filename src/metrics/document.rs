//! docs/metrics.md, written from the catalogue.

use std::fmt::Write;

use super::catalogue::{Budget, CATALOGUE, Metric, Size};

/// The sizes docs/metrics.md works out as examples: usual ones, and the worst case of the second.
const EXAMPLES: [Size; 4] = [
    size(10, 8, 12, 2, 40),
    size(1_000, 8, 20, 10, 20),
    size(1_000, 8, 20, 10, COUNTRIES),
    size(100_000, 3, 200, 1_000, 5),
];

/// All codes, and `unknown`.
const COUNTRIES: u64 = 251;

/// Of so many torrents with so many trackers each, and of so many trackers and collections. A
/// collection is in twice as many countries as one of its torrents.
const fn size(torrents: u64, each: u64, trackers: u64, collections: u64, countries: u64) -> Size {
    let wide = if 2 * countries > COUNTRIES {
        COUNTRIES
    } else {
        2 * countries
    };
    Size {
        torrents,
        pairs: torrents * each,
        trackers,
        collections,
        torrent_countries: torrents * countries,
        collection_countries: collections * wide,
    }
}

/// The whole of docs/metrics.md. `cargo run --example metrics > docs/metrics.md` writes it, a test compares.
pub fn markdown() -> String {
    let mut page = String::from(HEAD);
    page.push_str("| Metric | Type | Labels | Series | Meaning |\n|---|---|---|---|---|\n");
    for metric in CATALOGUE {
        // Writing to a `String` cannot fail.
        let _ = writeln!(
            page,
            "| `{}` | {} | {} | {} | {} |",
            metric.name,
            metric.kind.as_str(),
            labels(metric),
            formula(metric.budget),
            metric.help,
        );
    }
    page.push_str(CARDINALITY);
    let all = total(|_| true);
    let without_pairs = total(|metric| metric.budget.pair == 0);
    let without_countries = total(|metric| !of_countries(metric));
    let neither = total(|metric| metric.budget.pair == 0 && !of_countries(metric));
    let _ = writeln!(
        page,
        "At most **{}** series in all, {} with `metrics.per_tracker: false`, {} with \
         `metrics.countries: false`, {} with both.\n",
        formula(all),
        formula(without_pairs),
        formula(without_countries),
        formula(neither),
    );
    let _ = writeln!(
        page,
        "A torrent with p trackers that is shown in x countries has at most {} + {}p + x series, a \
         collection in y countries {} + {}y.\n",
        all.torrent, all.pair, all.collection, all.collection_country,
    );
    page.push_str(USUAL);
    for size in EXAMPLES {
        let _ = writeln!(
            page,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            size.torrents,
            size.pairs,
            size.trackers,
            size.collections,
            size.torrent_countries,
            size.collection_countries,
            all.series(size),
            without_countries.series(size),
            neither.series(size),
        );
    }
    page
}

/// Whether `metrics.countries` switches it.
fn of_countries(metric: &Metric) -> bool {
    *metric == super::catalogue::TORRENT_COUNTRIES || metric.labels.contains(&"country")
}

fn labels(metric: &Metric) -> String {
    let mut labels: Vec<String> = metric.labels.iter().map(|l| format!("`{l}`")).collect();
    if *metric == super::catalogue::TORRENT_INFO {
        labels.push("labels of the configuration".into());
    }
    match labels.is_empty() {
        true => "–".into(),
        false => labels.join(", "),
    }
}

fn total(wanted: impl Fn(&Metric) -> bool) -> Budget {
    CATALOGUE.iter().filter(|metric| wanted(metric)).fold(
        Budget::default(),
        |sum, Metric { budget, .. }| Budget {
            fixed: sum.fixed + budget.fixed,
            torrent: sum.torrent + budget.torrent,
            pair: sum.pair + budget.pair,
            tracker: sum.tracker + budget.tracker,
            collection: sum.collection + budget.collection,
            torrent_country: sum.torrent_country + budget.torrent_country,
            collection_country: sum.collection_country + budget.collection_country,
        },
    )
}

fn formula(budget: Budget) -> String {
    let term = |count: u32, unit: &str| match (count, unit) {
        (0, _) => None,
        (1, unit) if !unit.is_empty() => Some(unit.to_owned()),
        (count, unit) => Some(format!("{count}{unit}")),
    };
    [
        term(budget.torrent, "T"),
        term(budget.pair, "P"),
        term(budget.tracker, "K"),
        term(budget.collection, "C"),
        term(budget.torrent_country, "X"),
        term(budget.collection_country, "Y"),
        term(budget.fixed, ""),
    ]
    .into_iter()
    .flatten()
    .collect::<Vec<_>>()
    .join(" + ")
}

const HEAD: &str = "\
# Metrics

<!-- Written by `cargo run --example metrics > docs/metrics.md` from src/metrics/catalogue.rs. -->

Names, types and labels are a public interface: they do not change within a major version.

- **Peer** means one IP address; IPv6 addresses of one /64 are one peer. Ports do not count.
- **0** means: we looked, got a valid answer, nobody was there. A failed probe never makes a 0, nor do
  trackers alone make an empty swarm before its first lookup in the DHT has ended.
- **Absent** means unknown: never probed, or no answer for longer than `probe.stale_after` (of
  the DHT: or for one and a half rounds of `dht.interval`, where that is longer). There is no NaN and
  no -1. A torrent removed from the configuration is gone with the next scrape.
- **As of the latest round**: probing runs on its own schedule, and a scrape shows what is known;
  it never touches the network. A round is the latest answer of every source that is not yet stale.
- The `tracker` label is `scheme://host:port`; path and query are dropped, for they may hold a
  passkey. No label holds an address of a peer, a text or a value that moves.

- **Unique peers** are distinct over a time that slides with the clock, in steps of an hour. A
  window that began before seedwatch knew of the torrent, or while it did not run, counts what was
  seen. A window is absent when no list of peers (of the source) came within it, as from a scrape; with
  lists and without a peer it is 0. After a part of the saved state was lost, a window without a peer is
  absent until it lies behind the loss. Fewer than 4096 peers are counted exactly, more are estimated
  with a standard error of 1.6 %. Sources and windows overlap, and peers of several torrents too: unions
  are counted, never added. Of dynamic addresses a month sees many: it counts addresses, not people.
- **Countries** are those of the database in use, which may be wrong about single addresses. A country
  where the last peer was seen within eight days stays at an explicit 0, so that its fall can be seen;
  after that it is absent. `metrics.countries: false` leaves out all families with the label
  `country`, and `seedwatch_torrent_countries`.

T torrents, P pairs of a torrent and one of its trackers, K trackers, C collections, X pairs of a torrent
and a country, Y pairs of a collection and a country; \"Series\" are upper bounds.

";

const CARDINALITY: &str = "
## Cardinality

";

const USUAL: &str = "\
x and y are countries of now and of the last eight days: at most 251 (250 codes and `unknown`), and never
more than there were peers in that time, so that most torrents have few. The table takes 40 for each of
few large torrents, 20, all 251 (the worst case), and 5 for each of very many; of collections twice as
many.

| T | P | K | C | X | Y | series | with `countries: false` | and `per_tracker: false` |
|---:|---:|---:|---:|---:|---:|---:|---:|---:|
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_the_catalogue() {
        let file = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/metrics.md"))
            .unwrap_or_default();
        assert!(
            file == markdown(),
            "docs/metrics.md is not up to date: cargo run --example metrics > docs/metrics.md"
        );
    }

    #[test]
    fn formulas_are_short() {
        let budget = Budget {
            fixed: 2,
            torrent: 1,
            tracker: 13,
            collection_country: 4,
            ..Budget::default()
        };
        assert_eq!(formula(budget), "T + 13K + 4Y + 2");
        assert_eq!(budget.series(size(10, 8, 2, 1, 3)), 62);
    }
}
