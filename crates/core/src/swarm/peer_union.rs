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

impl<'a> PeerUnion<'a> {
    /// Returns the union of lists that are sorted and distinct.
    pub(super) fn new(v4: &[&'a [u32]], v6: &[&'a [u64]]) -> Self {
        Self {
            v4: unite(v4),
            v6: unite(v6),
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

fn unite<'a, T: Ord + Copy>(lists: &[&'a [T]]) -> Cow<'a, [T]> {
    match lists {
        [] => Cow::Borrowed(&[]),
        [only] => Cow::Borrowed(only),
        lists => {
            let mut all = lists.concat();
            make_distinct(&mut all);
            Cow::Owned(all)
        }
    }
}

fn make_distinct<T: Ord>(all: &mut Vec<T>) {
    all.sort_unstable();
    all.dedup();
}
