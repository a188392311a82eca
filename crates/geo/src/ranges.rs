//! Address → value, by ranges that cover the address space.

/// An address as an integer: 32 bits of an IPv4 address, the upper 64 bits of an IPv6 address.
pub(super) trait Key: Copy + Ord + Default {
    /// The greatest address.
    const LAST: Self;
    /// Returns the next address; `None` after the last.
    fn next(self) -> Option<Self>;
}

impl Key for u32 {
    const LAST: Self = Self::MAX;

    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
}

impl Key for u64 {
    const LAST: Self = Self::MAX;

    fn next(self) -> Option<Self> {
        self.checked_add(1)
    }
}

/// The ranges of both families. IPv6 addresses end at the /64, as peers do: 8 bytes per range
/// instead of 16.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Table<V> {
    pub(super) v4: Ranges<u32, V>,
    pub(super) v6: Ranges<u64, V>,
}

impl<V> Table<V> {
    /// Returns the bytes of memory.
    pub(super) fn memory(&self) -> usize {
        size_of_val(&*self.v4.starts)
            + size_of_val(&*self.v4.values)
            + size_of_val(&*self.v6.starts)
            + size_of_val(&*self.v6.values)
    }
}

/// Range `n` goes from `starts[n]` to the address before `starts[n + 1]`, the last range to the
/// last address. The first range starts at 0, and adjacent ranges have different values.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Ranges<K, V> {
    starts: Box<[K]>,
    values: Box<[V]>,
}

impl<K: Key, V: Copy + Default> Ranges<K, V> {
    pub(super) fn get(&self, address: K) -> V {
        let after = self.starts.partition_point(|start| *start <= address);
        let value = after.checked_sub(1).and_then(|at| self.values.get(at));
        value.copied().unwrap_or_default()
    }

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    pub(super) fn starts(&self) -> &[K] {
        &self.starts
    }

    pub(super) fn values(&self) -> &[V] {
        &self.values
    }
}

/// Builds ranges from networks in ascending order. Gaps get the default value.
#[derive(Debug)]
pub(super) struct Builder<K, V> {
    starts: Vec<K>,
    values: Vec<V>,
    /// The first address without a value; `None` when all have one.
    free: Option<K>,
}

impl<K: Key, V: Copy + Default + PartialEq> Builder<K, V> {
    /// Returns an empty builder with memory for `ranges`.
    pub(super) fn with_capacity(ranges: usize) -> Self {
        Self {
            starts: Vec::with_capacity(ranges),
            values: Vec::with_capacity(ranges),
            free: Some(K::default()),
        }
    }

    /// Sets the value of all addresses from `first` to `last`. Returns false if they do not come
    /// after the network added last.
    #[must_use]
    pub(super) fn add(&mut self, first: K, last: K, value: V) -> bool {
        let Some(free) = self.free else { return false };
        if first < free || last < first {
            return false;
        }
        if free < first {
            self.start(free, V::default());
        }
        self.start(first, value);
        self.free = last.next();
        true
    }

    pub(super) fn finish(mut self) -> Ranges<K, V> {
        if let Some(free) = self.free {
            self.start(free, V::default());
        }
        Ranges {
            starts: self.starts.into_boxed_slice(),
            values: self.values.into_boxed_slice(),
        }
    }

    fn start(&mut self, at: K, value: V) {
        if self.values.last() != Some(&value) {
            self.starts.push(at);
            self.values.push(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ranges(networks: &[(u32, u32, u8)]) -> Ranges<u32, u8> {
        let mut builder = Builder::with_capacity(0);
        for &(first, last, value) in networks {
            assert!(builder.add(first, last, value));
        }
        builder.finish()
    }

    #[test]
    fn every_range_has_exact_edges() {
        let ranges = ranges(&[(0, 0, 1), (1, 9, 2), (20, 29, 3), (u32::MAX, u32::MAX, 4)]);
        let edges = [
            (0, 1),
            (1, 2),
            (9, 2),
            (10, 0),
            (19, 0),
            (20, 3),
            (29, 3),
            (30, 0),
            (u32::MAX - 1, 0),
            (u32::MAX, 4),
        ];
        for (address, value) in edges {
            assert_eq!(ranges.get(address), value, "{address}");
        }
    }

    #[test]
    fn no_networks_give_one_range_with_the_default() {
        let empty = ranges(&[]);
        assert_eq!((empty.len(), empty.get(0), empty.get(u32::MAX)), (1, 0, 0));
    }

    #[test]
    fn adjacent_networks_with_one_value_are_one_range() {
        let ranges = ranges(&[(0, 4, 7), (5, 9, 7), (10, 19, 0), (30, u32::MAX, 8)]);
        assert_eq!(ranges.starts(), [0, 10, 30]);
        assert_eq!(ranges.values(), [7, 0, 8]);
    }

    #[test]
    fn networks_must_come_in_order() {
        let mut builder = Builder::<u32, u8>::with_capacity(0);
        assert!(builder.add(10, 19, 1));
        assert!(!builder.add(19, 20, 1));
        assert!(!builder.add(0, 5, 1));
        assert!(!builder.add(30, 29, 1));
        assert!(builder.add(20, u32::MAX, 2));
        assert!(!builder.add(u32::MAX, u32::MAX, 1));
    }

    /// Returns ascending networks with gaps at the lower or the upper end of all addresses.
    fn networks() -> impl Strategy<Value = Vec<(u32, u32, u8)>> {
        let steps = prop::collection::vec((0..4_u32, 0..8_u32, 0..3_u8), 0..40);
        (steps, any::<bool>()).prop_map(|(steps, upper)| {
            let mut at = if upper { u32::MAX - 200 } else { 0 };
            let mut networks = Vec::new();
            for (gap, more, value) in steps {
                let Some(first) = at.checked_add(gap) else {
                    break;
                };
                let last = first.saturating_add(more);
                networks.push((first, last, value));
                let Some(next) = last.checked_add(1) else {
                    break;
                };
                at = next;
            }
            networks
        })
    }

    proptest! {
        #[test]
        fn lookups_agree_with_a_linear_search(
            networks in networks(),
            others in prop::collection::vec(any::<u32>(), 16),
        ) {
            let ranges = ranges(&networks);
            let near = (0..500).flat_map(|n| [n, u32::MAX - n]);
            for address in near.chain(others) {
                let found = networks
                    .iter()
                    .find(|(first, last, _)| (*first..=*last).contains(&address));
                prop_assert_eq!(ranges.get(address), found.map_or(0, |&(.., value)| value));
            }
        }
    }
}
