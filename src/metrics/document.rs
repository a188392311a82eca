//! `docs/metrics.md`, generated from the catalogue.

use std::fmt::Write;

use super::catalogue::{Budget, CATALOGUE, Metric, Size};
use seedwatch_lists::ListFailure;

/// Sizes of installations in the table of examples. The third is the worst case of the second.
const EXAMPLES: [Size; 4] = [
    size(10, 8, 12, 2, 40),
    size(1_000, 8, 20, 10, 20),
    size(1_000, 8, 20, 10, COUNTRIES),
    size(100_000, 3, 200, 1_000, 5),
];

/// The ISO 3166-1 codes and `unknown`.
const COUNTRIES: u64 = 251;

/// Returns the size of an installation whose torrents have `each` trackers and `countries`
/// countries. A collection has twice as many countries as one of its torrents.
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
        lists: 0,
    }
}

/// Returns the text of `docs/metrics.md`. `cargo run --example metrics > docs/metrics.md` writes
/// the file, and a test compares it.
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
    page.push_str(REASONS_HEAD);
    for (reason, meaning) in REASONS {
        let _ = writeln!(page, "| `{reason}` | {meaning} |");
    }
    page.push_str(LIST_REASONS_HEAD);
    for failure in ListFailure::ALL {
        let _ = writeln!(page, "| `{}` | {failure} |", failure.as_label());
    }
    page.push_str(CARDINALITY);
    let all = total(|_| true);
    let without_pairs = total(|metric| metric.budget.pair == 0);
    let without_countries = total(|metric| !of_countries(metric));
    let neither = total(|metric| metric.budget.pair == 0 && !of_countries(metric));
    for (settings, budget) in [
        ("default", all),
        ("`metrics.per_tracker: false`", without_pairs),
        ("`metrics.countries: false`", without_countries),
        ("both", neither),
    ] {
        let _ = writeln!(page, "| {settings} | {} |", formula(budget));
    }
    let _ = writeln!(
        page,
        "\nA torrent with p trackers and x exposed countries has at most {} + {}p + x series;\n\
         a collection with y exposed countries has {} + {}y.\n",
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

/// Returns whether `metrics.countries` switches the metric.
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
            list: sum.list + budget.list,
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
        term(budget.list, "L"),
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
[semantics.md](semantics.md) explains what the numbers mean. In short:

- A **peer** is one IP address; IPv6 addresses of one /64 are one peer. Ports do not count.
- **0** means that a source gave a valid answer without peers. A failed probe never makes a 0.
  Trackers alone do not make a swarm empty before its first DHT lookup has ended.
- **Absent** means unknown: never probed, or no answer for longer than `probe.stale_after` (for the
  DHT: or than one and a half times `dht.interval`, if that is longer). No value is NaN or -1. A
  torrent that leaves the configuration is gone with the next Prometheus scrape.
- **As of the latest round**: a round is the latest answers of all sources that are not yet stale.
  Probing runs on its own schedule; a Prometheus scrape shows what is known and never touches the
  network.
- **Windows** (`1d`, `7d`, `30d`) slide with the clock in steps of an hour. A window that began
  before seedwatch knew the torrent, or while seedwatch was down, counts what was seen. After a part
  of the saved state was lost, a window without a peer is absent until it lies behind the loss.
- **Countries** come from the database in use, which may be wrong about single addresses. After its
  last peer, a country stays at an explicit 0 for eight days, so that a fall is visible; then it is
  absent. `metrics.countries: false` removes all families with the label `country`, and
  `seedwatch_torrent_countries`. With `metrics.country_limit`, the countries of a torrent beyond the
  largest are one series, `other`: those with the most peers now, of equal ones those with the
  earlier codes, keep their label. The sum stays the same.
- The `tracker` label is `scheme://host:port`, without path and query, which may hold a passkey. No
  label holds the address of a peer, free text or a changing value.

In the column \"Series\", T is the number of torrents, P of pairs of a torrent and one of its
trackers, K of trackers, C of collections, X of pairs of a torrent and a country, Y of pairs of a
collection and a country, and L of torrent lists. The numbers are upper bounds.

";

const REASONS_HEAD: &str = "
## Failure reasons

The `reason` label of `seedwatch_tracker_failures_total`:

| Reason | Meaning |
|---|---|
";

/// The values of the `reason` label of failed probes, and what they mean.
const REASONS: [(&str, &str); 13] = [
    (
        "dns",
        "the name does not resolve, or resolves only to addresses that may not be asked",
    ),
    (
        "unreachable",
        "there is no route, or the network reported the host or its network as unreachable",
    ),
    ("refused", "the port is closed"),
    (
        "reset",
        "the connection was closed before the answer was complete",
    ),
    ("timeout", "no answer within `probe.timeout`"),
    (
        "tls",
        "the TLS handshake failed, or the certificate is invalid",
    ),
    (
        "http_status",
        "the HTTP status is neither success nor a rate limit",
    ),
    (
        "not_bencode",
        "the body does not begin like a bencoded dictionary: a web page, an empty body, a parked \
         domain",
    ),
    (
        "malformed",
        "bencode or a datagram of the right kind, but damaged beyond use",
    ),
    (
        "rejected",
        "the tracker is up and refuses: a `failure reason`, an error packet, an unregistered \
         torrent",
    ),
    (
        "rate_limited",
        "HTTP 429, HTTP 503 with a time to come back, or a refusal that says \"too fast\"",
    ),
    ("denied", "the operator asks not to be contacted (BEP 34)"),
    (
        "unsupported",
        "a scheme or network that seedwatch does not speak",
    ),
];

const LIST_REASONS_HEAD: &str = "
The `reason` label of `seedwatch_list_failures_total`. The last good copy stays in use:

| Reason | Meaning |
|---|---|
";

const CARDINALITY: &str = "
## Cardinality

| Settings | Series, at most |
|---|---|
";

const USUAL: &str = "\
x and y count the countries of now and of the last eight days: at most 251 (250 codes and
`unknown`), and never more than there were peers in that time, so most torrents have few. The table
assumes 40 countries per torrent for a few large torrents, 20 for a thousand, 251 in the worst case,
and 5 for very many. Collections have twice as many.

| T | P | K | C | X | Y | series | with `countries: false` | and `per_tracker: false` |
|---:|---:|---:|---:|---:|---:|---:|---:|---:|
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_failure_reason_is_explained() {
        let labels = seedwatch_core::snapshot::FailureReason::ALL.map(|reason| reason.as_label());
        assert_eq!(REASONS.map(|(reason, _)| reason), labels);
    }

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
