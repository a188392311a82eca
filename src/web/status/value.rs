//! Values as people read them. The templates escape them.

use std::fmt::{self, Display, Formatter};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use seedwatch_core::plural;
use seedwatch_core::snapshot::{Count, Country, UniquePeers, Unix, Window};

/// The characters to percent-encode in a path segment: all but the unreserved ones (RFC 3986,
/// section 2.3).
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// A name from the configuration.
#[derive(Debug, Clone, Copy)]
pub(super) struct Name<'a>(pub(super) &'a str);

impl Name<'_> {
    /// Returns the name as a segment of a path.
    pub(super) fn segment(&self) -> impl Display {
        utf8_percent_encode(self.0, SEGMENT)
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

/// A number of bytes, in the largest unit that fits.
pub(super) struct ByteSize(pub(super) u64);

impl Display for ByteSize {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 6] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];
        let unit = (self.0.max(1).ilog2() / 10).min(5);
        match unit {
            0 => write!(to, "{} B", self.0),
            _ => {
                let value = self.0 as f64 / f64::from(1 << 10).powi(unit as i32);
                write!(to, "{value:.1} {}", UNITS[unit as usize])
            }
        }
    }
}

/// The time from an event (second) to now (first), in the largest unit that fits.
pub(super) struct Ago(pub(super) Unix, pub(super) Option<Unix>);

impl Display for Ago {
    fn fmt(&self, to: &mut Formatter<'_>) -> fmt::Result {
        let Some(at) = self.1.filter(|at| at.0 != 0) else {
            return to.write_str("never");
        };
        let seconds = self.0.0.saturating_sub(at.0);
        let (count, unit) = match seconds {
            0..60 => return to.write_str("just now"),
            60..3600 => (seconds / 60, "minute"),
            3600..86_400 => (seconds / 3600, "hour"),
            _ => (seconds / 86_400, "day"),
        };
        write!(to, "{} ago", plural(count, unit))
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
            write!(to, "{comma}{country} {peers}")?;
        }
        Ok(())
    }
}

/// The distinct peers of a torrent or a collection.
pub(super) struct Peers {
    /// The current peers over both families.
    pub(super) now: OrUnknown<u64>,
    /// The peers of each window.
    pub(super) windows: [OrUnknown<u32>; Window::ALL.len()],
}

impl Peers {
    /// Returns the peers as they are shown.
    pub(super) fn of(peers: [Count; 2], unique: UniquePeers) -> Self {
        let known = peers.iter().filter_map(|count| count.get());
        let now = known.map(u64::from).reduce(|a, b| a + b);
        Self {
            now: OrUnknown(now),
            windows: unique.map(Count::get).map(OrUnknown),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_in_the_largest_unit_that_fits() {
        for (bytes, shown) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (4_700_000_000, "4.4 GiB"),
            (1 << 53, "8.0 PiB"),
            (u64::MAX, "16384.0 PiB"),
        ] {
            assert_eq!(ByteSize(bytes).to_string(), shown);
        }
    }
}
