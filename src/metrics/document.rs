//! METRICS.md, written from the catalogue.

use std::fmt::Write;

use super::catalogue::{Budget, CATALOGUE, Metric};

/// The sizes METRICS.md works out as examples: torrents, trackers a torrent, trackers.
const EXAMPLES: [(u64, u64, u64); 3] = [(10, 8, 12), (1_000, 8, 20), (100_000, 3, 200)];

/// The whole of METRICS.md. `cargo run --example metrics > METRICS.md` writes it, a test compares.
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
    let _ = writeln!(
        page,
        "At most **{}** series in all, and {} with `metrics.per_tracker: false`.\n",
        formula(all),
        formula(without_pairs),
    );
    page.push_str(
        "| T | P | K | series | with `per_tracker: false` |\n|---:|---:|---:|---:|---:|\n",
    );
    for (torrents, trackers_each, trackers) in EXAMPLES {
        let pairs = torrents * trackers_each;
        let _ = writeln!(
            page,
            "| {torrents} | {pairs} | {trackers} | {} | {} |",
            all.series(torrents, pairs, trackers),
            without_pairs.series(torrents, pairs, trackers),
        );
    }
    page
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
        term(budget.fixed, ""),
    ]
    .into_iter()
    .flatten()
    .collect::<Vec<_>>()
    .join(" + ")
}

const HEAD: &str = "\
# Metrics

<!-- Written by `cargo run --example metrics > METRICS.md` from src/metrics/catalogue.rs. -->

Names, types and labels are a public interface: they do not change within a major version.

- **Peer** means one IP address; IPv6 addresses of one /64 are one peer. Ports do not count.
- **0** means: we looked, got a valid answer, nobody was there. A failed probe never makes a 0.
- **Absent** means unknown: never probed, or no answer for longer than `probe.stale_after` (of
  the DHT: or for one and a half rounds of `dht.interval`, where that is longer). There is no NaN and
  no -1. A torrent removed from the configuration is gone with the next scrape.
- **As of the latest round**: probing runs on its own schedule, and a scrape shows what is known;
  it never touches the network. A round is the latest answer of every source that is not yet stale.
- The `tracker` label is `scheme://host:port`; path and query are dropped, for they may hold a
  passkey. No label holds an address of a peer, a text or a value that moves.

T torrents, P pairs of a torrent and one of its trackers, K trackers; \"Series\" are upper bounds.

";

const CARDINALITY: &str = "
## Cardinality

";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_the_catalogue() {
        let file = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/METRICS.md"))
            .unwrap_or_default();
        assert!(
            file == markdown(),
            "METRICS.md is not up to date: cargo run --example metrics > METRICS.md"
        );
    }

    #[test]
    fn formulas_are_short() {
        let budget = Budget {
            fixed: 2,
            torrent: 1,
            pair: 0,
            tracker: 13,
        };
        assert_eq!(formula(budget), "T + 13K + 2");
        assert_eq!(budget.series(10, 80, 2), 38);
    }
}
