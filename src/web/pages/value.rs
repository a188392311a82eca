//! Values as people read them. The templates escape them.

use std::fmt::{self, Display, Formatter};

pub(super) use crate::web::bytes::ByteSize;
use crate::web::links::segment;
use crate::web::timestamp::Timestamp;
use seedwatch_core::snapshot::{Count, Country, UniquePeers, Unix, Window};
use seedwatch_core::{Grouped, plural};

/// Seconds of a day.
pub(super) const DAY: u64 = 24 * 3600;

/// A name from the configuration.
#[derive(Debug, Clone, Copy)]
pub(super) struct Name<'a>(pub(super) &'a str);

impl Name<'_> {
    /// Returns the name as a segment of a path, or as a value of a query.
    pub(super) fn segment(&self) -> impl Display {
        segment(self.0)
    }
}

impl Display for Name<'_> {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        to.write_str(self.0)
    }
}

/// A number, or `?` if it is unknown.
pub(super) struct OrUnknown<T>(pub(super) Option<T>);

impl<T: Display> Display for OrUnknown<T> {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Some(value) => value.fmt(to),
            None => to.write_str("?"),
        }
    }
}

/// A count with a comma before each three digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Number(pub(super) u64);

impl Number {
    /// Returns whether the count is 0.
    pub(super) const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Returns a count that may be unknown.
    pub(super) fn known(count: Count) -> OrUnknown<Self> {
        OrUnknown(count.get().map(Self::from))
    }
}

impl From<u32> for Number {
    fn from(count: u32) -> Self {
        Self(count.into())
    }
}

impl From<usize> for Number {
    fn from(count: usize) -> Self {
        Self(count as u64)
    }
}

impl Display for Number {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        Grouped(self.0).fmt(to)
    }
}

/// A point in time (second) as seen from now (first): `2 hours ago`, `in 5 minutes` or `never`.
#[derive(Debug, Clone, Copy)]
pub(super) struct When(pub(super) Unix, pub(super) Option<Unix>);

impl When {
    fn at(&self) -> Option<Unix> {
        self.1.filter(|at| at.0 != 0)
    }

    /// Returns the point in time for programs, unless it is never.
    pub(super) fn iso(&self) -> Option<Timestamp> {
        self.at().map(Timestamp)
    }
}

impl Display for When {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        let Some(at) = self.at() else {
            return to.write_str("never");
        };
        let now = self.0.0;
        match Span::of(now.abs_diff(at.0)) {
            None if at.0 > now => to.write_str("now"),
            None => to.write_str("just now"),
            Some(span) if at.0 > now => write!(to, "in {span}"),
            Some(span) => write!(to, "{span} ago"),
        }
    }
}

/// A length of time, in the largest unit that fits.
pub(super) struct Span(u64, &'static str);

impl Span {
    /// Returns a number of seconds as minutes, hours or days; `None` if it is less than a minute.
    pub(super) fn of(seconds: u64) -> Option<Self> {
        match seconds {
            0..60 => None,
            60..3600 => Some(Self(seconds / 60, "minute")),
            3600..DAY => Some(Self(seconds / 3600, "hour")),
            _ => Some(Self(seconds / DAY, "day")),
        }
    }
}

impl Display for Span {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        to.write_str(&plural(self.0, self.1))
    }
}

/// The countries with the most peers.
pub(super) struct TopCountries(Vec<(Country, u32)>);

impl TopCountries {
    /// Countries shown.
    const MOST: usize = 3;

    /// Returns the countries with the most peers.
    pub(super) fn of(countries: impl Iterator<Item = (Country, u32)>) -> Self {
        let mut inhabited: Vec<_> = countries.filter(|(_, peers)| *peers > 0).collect();
        inhabited.sort_by_key(|(_, peers)| std::cmp::Reverse(*peers));
        inhabited.truncate(Self::MOST);
        Self(inhabited)
    }
}

impl Display for TopCountries {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        for (rank, (country, peers)) in self.0.iter().enumerate() {
            let comma = if rank == 0 { "" } else { ", " };
            write!(to, "{comma}{country} {}", Number::from(*peers))?;
        }
        Ok(())
    }
}

/// The distinct peers of a torrent or a collection.
pub(super) struct Peers {
    /// The current peers over both families.
    pub(super) now: OrUnknown<Number>,
    /// The peers of each window.
    pub(super) windows: [OrUnknown<Number>; Window::ALL.len()],
}

impl Peers {
    /// Returns the peers as they are shown.
    pub(super) fn of(peers: [Count; 2], unique: UniquePeers) -> Self {
        let known = peers.iter().filter_map(|count| count.get());
        let now = known.map(u64::from).reduce(|a, b| a + b);
        Self {
            now: OrUnknown(now.map(Number)),
            windows: unique.map(Number::known),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_separators() {
        for (number, shown) in [
            (0, "0"),
            (999, "999"),
            (1000, "1,000"),
            (1_002_003, "1,002,003"),
            (u64::MAX, "18,446,744,073,709,551,615"),
        ] {
            assert_eq!(Number(number).to_string(), shown);
        }
    }

    #[test]
    fn times_are_told_from_now() {
        let now = Unix(1_790_000_100);
        for (at, shown) in [
            (None, "never"),
            (Some(0), "never"),
            (Some(now.0), "just now"),
            (Some(now.0 - 59), "just now"),
            (Some(now.0 - 60), "1 minute ago"),
            (Some(now.0 - 7200), "2 hours ago"),
            (Some(now.0 - 20 * DAY), "20 days ago"),
            (Some(now.0 + 1), "now"),
            (Some(now.0 + 300), "in 5 minutes"),
        ] {
            assert_eq!(When(now, at.map(Unix)).to_string(), shown);
        }
    }
}
