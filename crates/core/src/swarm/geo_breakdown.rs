//! Maps the current peers of a torrent to countries and autonomous systems (AS).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::config::SwarmConfig;
use super::peer_union::PeerUnion;
use crate::snapshot::{AsnSummary, CountryPeers, GeoBreakdown};
use seedwatch_distinct::Moment;
use seedwatch_geo::{Asn, Country, Database, Geo};

/// Peers by autonomous system, sorted and distinct; `None` stands for addresses in no known system.
/// Empty without a database.
pub(super) type PeersByAsn = Box<[(Option<Asn>, u32)]>;

/// Letters of the alphabet of country codes, which have two letters.
const LETTERS: usize = 26;

/// Returns where peers are, and in which autonomous systems. `before` are the countries of the
/// previous breakdown; recent ones stay at 0.
pub(super) fn break_down(
    union: &PeerUnion<'_>,
    config: &SwarmConfig,
    before: &[CountryPeers],
    now: Moment,
) -> (GeoBreakdown, PeersByAsn) {
    let countries = match config.countries {
        true => with_recent(countries(union, &config.geo), before, now),
        false => Box::default(),
    };
    let systems = systems(union, &config.geo);
    let breakdown = GeoBreakdown {
        countries,
        prefixes: count_distinct(union.v4.iter().map(|ip| ip >> 8))
            + count_distinct(union.v6.iter().map(|net| net >> 16)),
        systems: systems.as_deref().map(summarize),
    };
    (breakdown, systems.unwrap_or_default())
}

/// Returns the peers by country, sorted by country.
pub(super) fn countries(union: &PeerUnion<'_>, geo: &Geo) -> Vec<(Country, u32)> {
    let mut counts = [0u32; LETTERS * LETTERS];
    for address in addresses(union) {
        let [first, second] = geo.country(address).code().map(|b| usize::from(b - b'A'));
        counts[first * LETTERS + second] += 1;
    }
    let letter = |index: usize| b'A' + index as u8;
    let counted = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    counted
        .map(|(index, count)| {
            let code = [letter(index / LETTERS), letter(index % LETTERS)];
            (Country::of(code), *count)
        })
        .collect()
}

/// Returns the current countries, and at 0 the countries that recently had peers. Both inputs are
/// sorted by country, and so is the result.
fn with_recent(
    current: Vec<(Country, u32)>,
    before: &[CountryPeers],
    now: Moment,
) -> Box<[CountryPeers]> {
    let this_hour = now.hour() as u16;
    let mut rows: Vec<CountryPeers> = current
        .into_iter()
        .map(|(country, peers)| CountryPeers {
            country,
            last_seen_hour: this_hour,
            peers,
        })
        .collect();
    let current = rows.len();
    for old in before {
        let is_empty = rows[..current]
            .binary_search_by_key(&old.country, |row| row.country)
            .is_err();
        let hours_ago = this_hour.wrapping_sub(old.last_seen_hour);
        if is_empty && now.is_recent(now.hour().saturating_sub(hours_ago.into())) {
            rows.push(CountryPeers { peers: 0, ..*old });
        }
    }
    rows.sort_unstable_by_key(|row| row.country);
    exact_copy(&rows)
}

fn systems(union: &PeerUnion<'_>, geo: &Geo) -> Option<PeersByAsn> {
    geo.built(Database::Asn)?;
    let mut all: Vec<Option<Asn>> = addresses(union).map(|ip| geo.asn(ip)).collect();
    all.sort_unstable();
    let counted = all.chunk_by(|a, b| a == b);
    let counted: Vec<_> = counted.map(|same| (same[0], same.len() as u32)).collect();
    Some(exact_copy(&counted))
}

/// Returns a copy of exactly the right size. Shrinking the grown vector would leave holes in the
/// heap.
fn exact_copy<T: Copy>(rows: &[T]) -> Box<[T]> {
    rows.into()
}

fn summarize(systems: &[(Option<Asn>, u32)]) -> AsnSummary {
    let known = systems.iter().filter(|(asn, _)| asn.is_some());
    AsnSummary {
        distinct: known.clone().count() as u32,
        largest: known.map(|(_, peers)| *peers).max().unwrap_or(0),
        peers: systems.iter().map(|(_, peers)| peers).sum(),
    }
}

/// Returns all addresses. A /64 prefix stands for its first address.
fn addresses(union: &PeerUnion<'_>) -> impl Iterator<Item = IpAddr> {
    let v4 = union.v4.iter().map(|ip| Ipv4Addr::from_bits(*ip).into());
    v4.chain(union.v6.iter().map(|net| first_address(*net)))
}

/// Returns the first address of a /64 prefix.
pub(super) fn first_address(net: u64) -> IpAddr {
    Ipv6Addr::from_bits(u128::from(net) << 64).into()
}

/// Returns the number of distinct values in a sorted sequence.
fn count_distinct<T: PartialEq>(sorted: impl Iterator<Item = T>) -> u32 {
    let mut last = None;
    let mut count = 0;
    for value in sorted {
        let value = Some(value);
        count += u32::from(last != value);
        last = value;
    }
    count
}
