//! Decides which family the entries of a compact peer list are of.
//!
//! BEP 7, 15 and 23 are clear, but trackers deviate: bittorrent-tracker lists IPv4 peers over IPv6,
//! others put IPv6 entries into `peers`. Eighteen bytes may be three IPv4 entries or one IPv6
//! entry. The length decides if it fits one family only; else the bytes do, if they make sense for
//! one only.

use seedwatch_torrent::Family;

/// The length of an IPv4 entry in bytes (BEP 23).
const ENTRY4: usize = 6;
/// The length of an IPv6 entry in bytes (BEP 7).
const ENTRY6: usize = 18;
/// From this many entries on, a list that looks like IPv6 is IPv6. One in 400 random IPv4 entries
/// begins like an IPv6 address, so a single entry is not enough.
const MIN_ENTRIES6: usize = 2;

/// What is known about a list besides its bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ListContext {
    /// The family of the socket that the list arrived on.
    pub(crate) socket: Family,
    /// The response has a separate list for IPv6 (`peers6`, BEP 7).
    pub(crate) has_other: bool,
    /// The seeders and leechers that the response claims, if it does.
    pub(crate) claimed: Option<u32>,
}

/// Returns the family of a list that arrived on a UDP socket of family `socket`. If the bytes fit
/// both families, BEP 15 decides: the family of the socket.
pub(crate) fn family_of(list: &[u8], socket: Family) -> Family {
    match socket {
        Family::Ipv6 if fits4(list) && !looks_like6(list) && looks_like4(list) => Family::Ipv4,
        Family::Ipv4 if fits6(list) && looks_like6(list) && !looks_like4(list) => Family::Ipv6,
        _ => socket,
    }
}

/// Returns the family of the list `peers` in a response over HTTP: IPv4 (BEP 23), unless the list
/// can only be IPv6. `None` if it may be either.
///
/// The evidence, strongest first: a separate list for IPv6, bytes that make no sense as IPv4, the
/// socket, the number of entries, and the claimed counts.
pub(crate) fn family_of_peers(list: &[u8], context: ListContext) -> Option<Family> {
    if context.has_other || !fits6(list) || !looks_like6(list) {
        return Some(Family::Ipv4);
    }
    if !looks_like4(list) {
        return Some(Family::Ipv6);
    }
    if context.socket == Family::Ipv4 {
        return Some(Family::Ipv4);
    }
    if list.len() / ENTRY6 >= MIN_ENTRIES6 {
        return Some(Family::Ipv6);
    }
    Some(match context.claimed? as usize >= list.len() / ENTRY4 {
        true => Family::Ipv4,
        false => Family::Ipv6,
    })
}

fn fits4(list: &[u8]) -> bool {
    list.len().is_multiple_of(ENTRY4)
}

fn fits6(list: &[u8]) -> bool {
    !list.is_empty() && list.len().is_multiple_of(ENTRY6)
}

/// Returns whether every entry has an address from a block that a registry has allocated.
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

/// Returns whether every entry has a port and an address that a host can have.
fn looks_like4(list: &[u8]) -> bool {
    let (entries, _) = list.as_chunks::<ENTRY4>();
    entries
        .iter()
        .all(|entry| (1..224).contains(&entry[0]) && [entry[4], entry[5]] != [0, 0])
}

#[cfg(test)]
mod tests {
    use super::*;

    const OVER6: ListContext = ListContext {
        socket: Family::Ipv6,
        has_other: false,
        claimed: None,
    };
    const OVER4: ListContext = ListContext {
        socket: Family::Ipv4,
        ..OVER6
    };

    const FOUR: [u8; 6] = [81, 2, 3, 4, 5, 6];
    /// An IPv6 entry whose bytes are not valid as IPv4 entries.
    const PLAIN6: [u8; 18] = *b"\x2a\x01\x04\xf8\0\0\0\0\0\0\0\0\0\0\0\x02\x1a\xe1";
    /// An IPv6 entry whose bytes are also three valid IPv4 entries.
    const DENSE6: [u8; 18] = *b"\x2a\x01\x04\xf8abcdefghijkl\x1a\xe1";

    #[test]
    fn a_list_that_makes_sense_for_one_family_is_of_that_family() {
        for context in [OVER4, OVER6] {
            let of = |list: &[u8]| family_of_peers(list, context);
            assert_eq!(of(&[]), Some(Family::Ipv4));
            assert_eq!(of(&FOUR.repeat(3)), Some(Family::Ipv4));
            assert_eq!(of(&FOUR.repeat(4)), Some(Family::Ipv4));
            assert_eq!(of(&PLAIN6), Some(Family::Ipv6));
            assert_eq!(of(&PLAIN6.repeat(2)), Some(Family::Ipv6));
        }
    }

    #[test]
    fn an_ambiguous_list_is_decided_by_its_context() {
        let two = DENSE6.repeat(2);
        assert_eq!(family_of_peers(&two, OVER6), Some(Family::Ipv6));
        assert_eq!(family_of_peers(&two, OVER4), Some(Family::Ipv4));
        let has_other = true;
        let context = ListContext { has_other, ..OVER6 };
        assert_eq!(family_of_peers(&two, context), Some(Family::Ipv4));
        for (claimed, expected) in [
            (None, None),
            (Some(0), Some(Family::Ipv6)),
            (Some(2), Some(Family::Ipv6)),
            (Some(3), Some(Family::Ipv4)),
        ] {
            let context = ListContext { claimed, ..OVER6 };
            assert_eq!(family_of_peers(&DENSE6, context), expected, "{claimed:?}");
        }
    }

    #[test]
    fn over_udp_the_socket_decides_ambiguous_lists() {
        for socket in Family::ALL {
            assert_eq!(family_of(&DENSE6, socket), socket);
            assert_eq!(family_of(&[], socket), socket);
            assert_eq!(family_of(&PLAIN6, socket), Family::Ipv6);
            assert_eq!(family_of(&FOUR.repeat(3), socket), Family::Ipv4);
        }
    }
}
