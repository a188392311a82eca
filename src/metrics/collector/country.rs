//! Which countries of a torrent are shown.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use seedwatch_core::snapshot::{Country, CountryPeers};

/// The label of the countries beyond `metrics.country_limit`.
const OTHER: &str = "other";

/// Returns peers by `country` label: the `limit` largest countries, and the sum of the others. Of
/// countries with the same peers, those with the earlier codes are shown. `rows` are sorted by
/// country; the samples are in label order.
pub(super) fn shown(
    rows: &[CountryPeers],
    limit: Option<u16>,
) -> impl Iterator<Item = (&str, u32)> {
    let smallest = limit.and_then(|limit| smallest_shown(rows, limit.into()));
    let is_shown = move |row: &CountryPeers| smallest.is_none_or(|smallest| rank(row) <= smallest);
    let others = smallest.map(|_| {
        let others = rows.iter().filter(|row| !is_shown(row));
        (OTHER, others.map(|row| row.peers).sum())
    });
    let (known, unknown) = match rows.split_last() {
        Some((last, known)) if last.country == Country::UNKNOWN => (known, Some(last)),
        _ => (rows, None),
    };
    let known = known.iter().filter(move |row| is_shown(row));
    let unknown = unknown.into_iter().filter(move |row| is_shown(row));
    known
        .map(|row| (row.country.as_str(), row.peers))
        .chain(others)
        .chain(unknown.map(|row| (row.country.as_str(), row.peers)))
}

/// Returns the rank of the last of the largest countries; `None` if there are not more.
fn smallest_shown(rows: &[CountryPeers], limit: usize) -> Option<(Reverse<u32>, Country)> {
    let last = limit.checked_sub(1).filter(|_| rows.len() > limit)?;
    let mut ranks: Vec<_> = rows.iter().map(rank).collect();
    Some(*ranks.select_nth_unstable(last).1)
}

/// Returns the order in which countries are shown.
fn rank(row: &CountryPeers) -> (Reverse<u32>, Country) {
    (Reverse(row.peers), row.country)
}

/// Returns the peers of all torrents by country, in label order. A peer of two torrents counts
/// twice.
pub(super) fn totals<'a>(
    torrents: impl Iterator<Item = &'a [CountryPeers]>,
) -> Vec<(Country, u64)> {
    let mut totals = BTreeMap::new();
    for row in torrents.flatten() {
        *totals.entry(row.country).or_default() += u64::from(row.peers);
    }
    totals.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(peers: &[(&str, u32)]) -> Vec<CountryPeers> {
        let row = |(code, peers): &(&str, u32)| CountryPeers::new(Country::parse(code), *peers);
        peers.iter().map(row).collect()
    }

    fn samples(rows: &[CountryPeers], limit: Option<u16>) -> Vec<(&str, u32)> {
        shown(rows, limit).collect()
    }

    #[test]
    fn the_largest_countries_are_shown_and_the_sum_stays() {
        let rows = rows(&[("DE", 5), ("FR", 7), ("NL", 0), ("US", 20), ("", 6)]);
        let all = [("DE", 5), ("FR", 7), ("NL", 0), ("US", 20), ("unknown", 6)];
        assert_eq!(samples(&rows, None), all);
        assert_eq!(samples(&rows, Some(5)), all);
        let four = [
            ("DE", 5),
            ("FR", 7),
            ("US", 20),
            ("other", 0),
            ("unknown", 6),
        ];
        assert_eq!(samples(&rows, Some(4)), four);
        let two = [("FR", 7), ("US", 20), ("other", 11)];
        assert_eq!(samples(&rows, Some(2)), two);
        assert_eq!(samples(&rows, Some(1)), [("US", 20), ("other", 18)]);
    }

    #[test]
    fn of_equal_countries_the_earlier_codes_are_shown() {
        let rows = rows(&[("DE", 5), ("FR", 5), ("US", 5), ("", 5)]);
        assert_eq!(
            samples(&rows, Some(2)),
            [("DE", 5), ("FR", 5), ("other", 10)]
        );
        assert_eq!(samples(&[], Some(2)), []);
    }
}
