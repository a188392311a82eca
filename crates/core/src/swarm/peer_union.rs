//! The union of several peer lists.

use std::borrow::Cow;

use super::peer_list::fingerprint;

/// The peers of one or several lists by family: sorted and distinct. A single list is not copied.
#[derive(Debug, Clone, Default)]
pub(super) struct PeerUnion<'a> {
    pub(super) v4: Cow<'a, [u32]>,
    /// /64 prefixes.
    pub(super) v6: Cow<'a, [u64]>,
}

/// A list that is sorted and distinct, and the source that gave it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listed<'a, T> {
    /// Numbers the sources of one torrent.
    pub(super) source: u8,
    pub(super) peers: &'a [T],
}

impl<'a> PeerUnion<'a> {
    /// Returns the union of several lists.
    pub(super) fn new(v4: &[Listed<'a, u32>], v6: &[Listed<'a, u64>]) -> Self {
        Self {
            v4: unite(v4),
            v6: unite(v6),
        }
    }

    /// Returns the union of several lists. Adds to the count of each source the peers that no
    /// other source lists.
    pub(super) fn with_exclusive(
        v4: &[Listed<'a, u32>],
        v6: &[Listed<'a, u64>],
        exclusive: &mut [u32],
    ) -> Self {
        Self {
            v4: unite_and_count(v4, exclusive),
            v6: unite_and_count(v6, exclusive),
        }
    }

    /// Appends the peers of another union. The result is not sorted until
    /// [`PeerUnion::into_distinct`].
    pub(super) fn append(&mut self, other: &PeerUnion<'_>) {
        self.v4.to_mut().extend_from_slice(&other.v4);
        self.v6.to_mut().extend_from_slice(&other.v6);
    }

    /// Sorts the peers and removes repetitions.
    pub(super) fn into_distinct(mut self) -> Self {
        make_distinct(self.v4.to_mut());
        make_distinct(self.v6.to_mut());
        self
    }

    /// Returns the number of peers.
    pub(super) fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// Returns the number of peers by family.
    pub(super) fn by_family(&self) -> [u32; 2] {
        [self.v4.len() as u32, self.v6.len() as u32]
    }

    /// Returns a number that tells this union from others.
    pub(super) fn fingerprint(&self) -> u64 {
        fingerprint(&self.v4).wrapping_add(fingerprint(&self.v6).rotate_left(1))
    }
}

fn unite<'a, T: Ord + Copy>(lists: &[Listed<'a, T>]) -> Cow<'a, [T]> {
    match lists {
        [] => Cow::Borrowed(&[]),
        [only] => Cow::Borrowed(only.peers),
        lists => {
            let mut all: Vec<T> = lists.iter().flat_map(|list| list.peers).copied().collect();
            make_distinct(&mut all);
            Cow::Owned(all)
        }
    }
}

fn unite_and_count<'a, T: Ord + Copy>(
    lists: &[Listed<'a, T>],
    exclusive: &mut [u32],
) -> Cow<'a, [T]> {
    let mut count = |source: u8, peers: u32| {
        if let Some(known) = exclusive.get_mut(usize::from(source)) {
            *known += peers;
        }
    };
    match lists {
        [] => Cow::Borrowed(&[]),
        [only] => {
            count(only.source, only.peers.len() as u32);
            Cow::Borrowed(only.peers)
        }
        lists => {
            let length = lists.iter().map(|list| list.peers.len()).sum();
            let mut all: Vec<(T, u8)> = Vec::with_capacity(length);
            for list in lists {
                all.extend(list.peers.iter().map(|peer| (*peer, list.source)));
            }
            // The lists are sorted, and the stable sort merges sorted runs.
            all.sort();
            let mut union = Vec::with_capacity(length);
            for entries in all.chunk_by(|a, b| a.0 == b.0) {
                let (peer, source) = entries[0];
                union.push(peer);
                if entries.iter().all(|entry| entry.1 == source) {
                    count(source, 1);
                }
            }
            Cow::Owned(union)
        }
    }
}

fn make_distinct<T: Ord>(all: &mut Vec<T>) {
    all.sort_unstable();
    all.dedup();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed<T>(source: u8, peers: &[T]) -> Listed<'_, T> {
        Listed { source, peers }
    }

    #[test]
    fn peers_count_for_the_only_source_that_lists_them() {
        let v4 = [
            listed(0, &[1, 2, 3]),
            listed(1, &[2, 4]),
            // The same tracker over the other family.
            listed(0, &[1, 9]),
            listed(2, &[3]),
        ];
        let v6 = [listed(2, &[7, 8])];
        let mut exclusive = [0; 3];
        let union = PeerUnion::with_exclusive(&v4, &v6, &mut exclusive);
        assert_eq!(exclusive, [2, 1, 2]);
        assert_eq!(*union.v4, [1, 2, 3, 4, 9]);
        assert_eq!(*union.v6, [7, 8]);
        let plain = PeerUnion::new(&v4, &v6);
        assert_eq!((plain.v4, plain.v6), (union.v4, union.v6));
    }
}
