//! Sources of peers, and tables with one value per source.
//!
//! A new source is one variant of [`Source`] and one line in each table of this file. Everything
//! that counts, saves or shows peers by source iterates over [`Source::ALL`] or is a
//! [`PerSource`] table.

use std::ops::{Index, IndexMut};

/// The source of a peer list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// The mainline DHT.
    Dht,
    /// Trackers over UDP, HTTP and HTTPS.
    Tracker,
}

impl Source {
    /// All sources, in label order.
    pub const ALL: [Source; 2] = [Source::Dht, Source::Tracker];

    /// Returns the value of the `source` label.
    pub const fn as_label(self) -> &'static str {
        match self {
            Source::Dht => "dht",
            Source::Tracker => "tracker",
        }
    }

    /// Returns the number that stands for the source in saved state. It never changes.
    pub const fn code(self) -> u8 {
        match self {
            Source::Dht => 0,
            Source::Tracker => 1,
        }
    }

    /// Returns the source of a [`Source::code`], or `None` if this version does not know it.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|source| source.code() == code)
    }

    /// Returns the position in [`Source::ALL`].
    pub const fn index(self) -> usize {
        self as usize
    }
}

/// One value per source, as compact as an array.
///
/// ```
/// use seedwatch_core::{PerSource, Source};
///
/// let mut peers = PerSource::<u32>::default();
/// peers[Source::Tracker] = 5;
/// let labelled: Vec<_> = peers.iter().map(|(source, n)| (source.as_label(), *n)).collect();
/// assert_eq!(labelled, [("dht", 0), ("tracker", 5)]);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PerSource<T>([T; Source::ALL.len()]);

impl<T> PerSource<T> {
    /// Calls a function once per source.
    pub fn from_fn(mut value: impl FnMut(Source) -> T) -> Self {
        Self(Source::ALL.map(&mut value))
    }

    /// Applies a function to each value.
    pub fn map<U>(self, value: impl FnMut(T) -> U) -> PerSource<U> {
        PerSource(self.0.map(value))
    }

    /// Returns the sources with their values, in label order.
    pub fn iter(&self) -> impl Iterator<Item = (Source, &T)> {
        Source::ALL.into_iter().zip(&self.0)
    }

    /// Returns the values, in the order of [`Source::ALL`].
    pub fn into_values(self) -> [T; Source::ALL.len()] {
        self.0
    }

    /// Returns mutable references to the values, in the order of [`Source::ALL`].
    pub fn values_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.0.iter_mut()
    }
}

/// The values are in the order of [`Source::ALL`].
impl<T> From<[T; Source::ALL.len()]> for PerSource<T> {
    fn from(values: [T; Source::ALL.len()]) -> Self {
        Self(values)
    }
}

/// The values are in the order of [`Source::ALL`].
impl<T: PartialEq> PartialEq<[T; Source::ALL.len()]> for PerSource<T> {
    fn eq(&self, values: &[T; Source::ALL.len()]) -> bool {
        self.0 == *values
    }
}

/// Yields the sources with their values, in label order.
impl<T> IntoIterator for PerSource<T> {
    type Item = (Source, T);
    type IntoIter = std::iter::Zip<
        std::array::IntoIter<Source, { Source::ALL.len() }>,
        std::array::IntoIter<T, { Source::ALL.len() }>,
    >;

    fn into_iter(self) -> Self::IntoIter {
        Source::ALL.into_iter().zip(self.0)
    }
}

impl<T> Index<Source> for PerSource<T> {
    type Output = T;

    fn index(&self, source: Source) -> &T {
        &self.0[source.index()]
    }
}

impl<T> IndexMut<Source> for PerSource<T> {
    fn index_mut(&mut self, source: Source) -> &mut T {
        &mut self.0[source.index()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_in_label_order_and_codes_are_distinct() {
        assert!(Source::ALL.is_sorted_by_key(|source| source.as_label()));
        for (index, source) in Source::ALL.into_iter().enumerate() {
            assert_eq!(source.index(), index);
            assert_eq!(Source::from_code(source.code()), Some(source));
        }
    }
}
