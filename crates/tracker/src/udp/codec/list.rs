//! Which family the entries of a compact list are of.

use seedwatch_torrent::Family;

/// Bytes of an IPv4 entry (BEP 23).
const ENTRY4: usize = 6;
/// Bytes of an IPv6 entry (BEP 7).
const ENTRY6: usize = 18;

/// The family of the entries of a list that came over a socket of `socket`'s family.
///
/// A length that fits one family only decides, and so do bytes that make sense for one only.
/// Otherwise the list is what BEP 15 says.
pub(super) fn family_of(list: &[u8], socket: Family) -> Family {
    let (fits4, fits6) = (
        list.len().is_multiple_of(ENTRY4),
        list.len().is_multiple_of(ENTRY6),
    );
    match socket {
        Family::Ipv6 if fits4 && !looks_like6(list) && looks_like4(list) => Family::Ipv4,
        Family::Ipv4 if fits6 && !list.is_empty() && looks_like6(list) && !looks_like4(list) => {
            Family::Ipv6
        }
        _ => socket,
    }
}

/// Every entry has an address from the blocks that the registries hand out.
fn looks_like6(list: &[u8]) -> bool {
    let (entries, rest) = list.as_chunks::<ENTRY6>();
    let is_allocated = |entry: &[u8; ENTRY6]| match [entry[0], entry[1]] {
        [0x20, second] => (0x01..=0x03).contains(&second),
        [0x24, second] | [0x2a, second] => second < 0x20,
        [0x26, second] => second < 0x40,
        [0x28, second] | [0x2c, second] => second < 0x10,
        _ => false,
    };
    rest.is_empty() && entries.iter().all(is_allocated)
}

/// Every entry has a port and an address that a host can have.
fn looks_like4(list: &[u8]) -> bool {
    let (entries, _) = list.as_chunks::<ENTRY4>();
    entries
        .iter()
        .all(|entry| (1..224).contains(&entry[0]) && [entry[4], entry[5]] != [0, 0])
}
