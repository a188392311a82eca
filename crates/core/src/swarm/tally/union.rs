//! Who is on several lists.

use std::borrow::Cow;

use crate::swarm::kept::print_of;

/// Peers by family: sorted, each once. An only list is not copied.
#[derive(Debug, Clone, Default)]
pub(in crate::swarm) struct Union<'a> {
    pub(in crate::swarm) v4: Cow<'a, [u32]>,
    /// /64 prefixes.
    pub(in crate::swarm) v6: Cow<'a, [u64]>,
}

impl<'a> Union<'a> {
    /// Of lists that are sorted and free of repetitions.
    pub(super) fn of(v4: &[&'a [u32]], v6: &[&'a [u64]]) -> Self {
        Self {
            v4: unite(v4),
            v6: unite(v6),
        }
    }

    /// Adds somebody else's. Sorted no more until [`Union::distinct`].
    pub(in crate::swarm) fn append(&mut self, other: &Union<'_>) {
        self.v4.to_mut().extend_from_slice(&other.v4);
        self.v6.to_mut().extend_from_slice(&other.v6);
    }

    /// Everybody once.
    pub(in crate::swarm) fn distinct(mut self) -> Self {
        distinct(self.v4.to_mut());
        distinct(self.v6.to_mut());
        self
    }

    /// Entries.
    pub(in crate::swarm) fn len(&self) -> usize {
        self.v4.len() + self.v6.len()
    }

    /// Entries by family.
    pub(in crate::swarm) fn by_family(&self) -> [u32; 2] {
        [self.v4.len() as u32, self.v6.len() as u32]
    }

    /// Tells it from another.
    pub(in crate::swarm) fn print(&self) -> u64 {
        print_of(&self.v4).wrapping_add(print_of(&self.v6).rotate_left(1))
    }
}

fn unite<'a, T: Ord + Copy>(lists: &[&'a [T]]) -> Cow<'a, [T]> {
    match lists {
        [] => Cow::Borrowed(&[]),
        [only] => Cow::Borrowed(only),
        lists => {
            let mut all = lists.concat();
            distinct(&mut all);
            Cow::Owned(all)
        }
    }
}

fn distinct<T: Ord>(all: &mut Vec<T>) {
    all.sort_unstable();
    all.dedup();
}
