//! An id belongs to an address: nodes that answer now as one, now as another are not believed.
//!
//! Such nodes name peers that do not exist, under ids made up for whatever was asked. What is
//! remembered of an address is eight bytes in a table of fixed size; a newer address may push out
//! an older one.

use std::hash::BuildHasher;

use super::id::NodeId;
use super::keyed::Key;
use super::packed::Address;
use seedwatch_clock::Mono;

/// An address that changed its id is believed again when it has kept the new one for so long: a
/// client that was started anew is no liar.
const PROBATION_MINUTES: u64 = 60;

/// Addresses remembered, a power of two.
const PLACES: usize = 1 << 17;

/// Which id each address answered with.
#[derive(Debug, Default)]
pub(super) struct Bindings {
    key: Key,
    /// Empty until the first answer.
    places: Vec<Bound>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Bound {
    /// Of the address; with the place, some 40 bits of it.
    tag: u16,
    id: u32,
    /// Minute of the last change, from 1; 0 where there was none.
    changed: u16,
}

impl Bindings {
    /// An address answered with an id; says whether it can be believed.
    pub(super) fn answered(&mut self, address: &Address, id: &NodeId, now: Mono) -> bool {
        if self.places.is_empty() {
            self.places = vec![Bound::default(); PLACES];
        }
        let hash = self.key.hash_one(address);
        let tag = ((hash >> 48) as u16).max(1);
        let minute = (now.0 / 60_000 % u64::from(u16::MAX)) as u16 + 1;
        let id = self.key.hash_one(id) as u32;
        let bound = &mut self.places[hash as usize % PLACES];
        if bound.tag != tag {
            *bound = Bound {
                tag,
                id,
                changed: 0,
            };
        } else if bound.id != id {
            bound.id = id;
            bound.changed = minute;
        }
        let since = u64::from(minute.wrapping_sub(bound.changed));
        bound.changed == 0 || since >= PROBATION_MINUTES
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    #[test]
    fn a_changed_id_is_not_believed_for_an_hour() {
        let minute = |n: u64| Mono(n * 60_000);
        let address = Address::from(SocketAddr::from(([1, 2, 3, 4], 5)));
        let (one, two) = (NodeId([1; 20]), NodeId([2; 20]));
        let mut bindings = Bindings::default();
        assert!(bindings.answered(&address, &one, minute(0)));
        assert!(bindings.answered(&address, &one, minute(500)));
        assert!(!bindings.answered(&address, &two, minute(501)));
        assert!(!bindings.answered(&address, &two, minute(560)));
        assert!(bindings.answered(&address, &two, minute(561)));
        assert!(!bindings.answered(&address, &one, minute(562)));
    }
}
