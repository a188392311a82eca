//! From who is there to where they are.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Terms;
use super::reach::{self, CountryPeers, Places};
use super::tally::Union;
use seedwatch_distinct::Moment;
use seedwatch_geo::{Asn, Country, Geo};

/// Peers by autonomous system, `None` = not known to which; sorted, each once. Empty without a
/// database.
pub(super) type Systems = Box<[(Option<Asn>, u32)]>;

/// Codes have two letters.
const LETTERS: usize = 26;

/// Where peers are, and in which systems. `before` are the countries seen lately.
pub(super) fn find(
    union: &Union<'_>,
    terms: &Terms,
    before: &[CountryPeers],
    now: Moment,
) -> (Places, Systems) {
    let countries = match terms.countries {
        true => with_zeros(countries(union, &terms.geo), before, now),
        false => Box::default(),
    };
    let systems = systems(union, &terms.geo);
    let places = Places {
        countries,
        prefixes: runs(union.v4.iter().map(|ip| ip >> 8))
            + runs(union.v6.iter().map(|net| net >> 16)),
        systems: systems.as_deref().map(concentration),
    };
    (places, systems.unwrap_or_default())
}

/// Peers by country, sorted.
pub(super) fn countries(union: &Union<'_>, geo: &Geo) -> Vec<(Country, u32)> {
    let mut counts = [0u32; LETTERS * LETTERS];
    for address in addresses(union) {
        let [first, second] = geo.country(address).code().map(|b| usize::from(b - b'A'));
        counts[first * LETTERS + second] += 1;
    }
    let letter = |at: usize| b'A' + at as u8;
    let counted = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    counted
        .map(|(at, count)| {
            let code = [letter(at / LETTERS), letter(at % LETTERS)];
            (Country::of(code), *count)
        })
        .collect()
}

/// Countries of now, and those that nobody is left in since not too long ago. Both are sorted.
fn with_zeros(
    here: Vec<(Country, u32)>,
    before: &[CountryPeers],
    now: Moment,
) -> Box<[CountryPeers]> {
    let seen = now.hour() as u16;
    let mut rows: Vec<CountryPeers> = here
        .into_iter()
        .map(|(country, peers)| CountryPeers {
            country,
            seen,
            peers,
        })
        .collect();
    let here = rows.len();
    for old in before {
        let gone = rows[..here]
            .binary_search_by_key(&old.country, |row| row.country)
            .is_err();
        let ago = seen.wrapping_sub(old.seen);
        if gone && now.is_recent(now.hour().saturating_sub(ago.into())) {
            rows.push(CountryPeers { peers: 0, ..*old });
        }
    }
    rows.sort_unstable_by_key(|row| row.country);
    exactly(&rows)
}

fn systems(union: &Union<'_>, geo: &Geo) -> Option<Systems> {
    geo.built(seedwatch_geo::Database::Asn)?;
    let mut all: Vec<Option<Asn>> = addresses(union).map(|ip| geo.asn(ip)).collect();
    all.sort_unstable();
    let counted = all.chunk_by(|a, b| a == b);
    let counted: Vec<_> = counted.map(|same| (same[0], same.len() as u32)).collect();
    Some(exactly(&counted))
}

/// A copy that is kept: to shrink what grew would leave a hole behind each.
fn exactly<T: Copy>(rows: &[T]) -> Box<[T]> {
    rows.into()
}

fn concentration(systems: &[(Option<Asn>, u32)]) -> reach::Systems {
    let known = systems.iter().filter(|(asn, _)| asn.is_some());
    reach::Systems {
        distinct: known.clone().count() as u32,
        largest: known.map(|(_, peers)| *peers).max().unwrap_or(0),
        peers: systems.iter().map(|(_, peers)| peers).sum(),
    }
}

/// All addresses; of a /64 network its first.
fn addresses(union: &Union<'_>) -> impl Iterator<Item = IpAddr> {
    let v4 = union.v4.iter().map(|ip| Ipv4Addr::from_bits(*ip).into());
    let v6 = union.v6.iter();
    v4.chain(v6.map(|net| Ipv6Addr::from_bits(u128::from(*net) << 64).into()))
}

/// Distinct values of a sorted sequence.
fn runs<T: PartialEq>(sorted: impl Iterator<Item = T>) -> u32 {
    let mut last = None;
    let mut count = 0;
    for value in sorted {
        let value = Some(value);
        count += u32::from(last != value);
        last = value;
    }
    count
}
