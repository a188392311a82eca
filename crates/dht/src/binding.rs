//! Bindings of node ids to addresses. A node that keeps changing its id is not trusted.
//!
//! Such nodes name invented peers under ids made up for each target. A binding takes eight bytes in
//! a table of fixed size; a newer address may replace an older one.

use std::hash::BuildHasher;

use super::id::NodeId;
use super::keyed::KeyedBuildHasher;
use super::packed::PackedAddress;
use seedwatch_clock::Mono;

/// Minutes for which an address must keep a new id before it is trusted again. A client that
/// restarted is honest.
const PROBATION_MINUTES: u64 = 60;

/// Addresses that are remembered; a power of two.
const SLOTS: usize = 1 << 17;

/// The id that each address answered with.
#[derive(Debug, Default)]
pub(super) struct IdBindings {
    key: KeyedBuildHasher,
    /// Empty until the first answer.
    slots: Vec<Binding>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Binding {
    /// Hash of the address. Together with the slot it identifies about 40 bits.
    tag: u16,
    id: u32,
    /// Minute of the last change, from 1; 0 if there was none.
    changed: u16,
}

impl IdBindings {
    /// Records the id that an address answered with. Returns whether it is trusted.
    pub(super) fn record(&mut self, address: &PackedAddress, id: &NodeId, now: Mono) -> bool {
        if self.slots.is_empty() {
            self.slots = vec![Binding::default(); SLOTS];
        }
        let hash = self.key.hash_one(address);
        let tag = ((hash >> 48) as u16).max(1);
        let minute = (now.0 / 60_000 % u64::from(u16::MAX)) as u16 + 1;
        let id = self.key.hash_one(id) as u32;
        let bound = &mut self.slots[hash as usize % SLOTS];
        if bound.tag != tag {
            *bound = Binding {
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
    fn an_address_with_a_changed_id_is_not_trusted_for_an_hour() {
        let minute = |n: u64| Mono(n * 60_000);
        let address = PackedAddress::from(SocketAddr::from(([1, 2, 3, 4], 5)));
        let (one, two) = (NodeId([1; 20]), NodeId([2; 20]));
        let mut bindings = IdBindings::default();
        assert!(bindings.record(&address, &one, minute(0)));
        assert!(bindings.record(&address, &one, minute(500)));
        assert!(!bindings.record(&address, &two, minute(501)));
        assert!(!bindings.record(&address, &two, minute(560)));
        assert!(bindings.record(&address, &two, minute(561)));
        assert!(!bindings.record(&address, &one, minute(562)));
    }
}
