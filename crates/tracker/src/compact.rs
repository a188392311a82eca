//! Which family the entries of a compact list are of. Pure.
//!
//! BEP 7, 15 and 23 leave no doubt, but trackers do: bittorrent-tracker lists IPv4 peers over IPv6,
//! others put IPv6 entries into `peers`. A length that fits one family only decides, and so do bytes
//! that make sense for one only. Eighteen bytes may be three IPv4 entries or one IPv6 entry.

use seedwatch_torrent::Family;

/// Bytes of an IPv4 entry (BEP 23).
const ENTRY4: usize = 6;
/// Bytes of an IPv6 entry (BEP 7).
const ENTRY6: usize = 18;
/// Entries that all look like IPv6 are IPv6. Of random IPv4 entries, one in 400 begins like an IPv6
/// address too, so that one entry alone decides nothing.
const ENOUGH6: usize = 2;

/// What is known about a list beside its bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Beside {
    /// The family of the socket that it came over.
    pub(crate) socket: Family,
    /// There is another list for IPv6 (`peers6`, BEP 7).
    pub(crate) has_other: bool,
    /// Members that the answer claims, if it does.
    pub(crate) members: Option<u32>,
}

/// The family of the entries of a list that came over a UDP socket of `socket`'s family. A list that
/// may be of either is what BEP 15 says.
pub(crate) fn family_of(list: &[u8], socket: Family) -> Family {
    match socket {
        Family::Ipv6 if fits4(list) && !looks_like6(list) && looks_like4(list) => Family::Ipv4,
        Family::Ipv4 if fits6(list) && looks_like6(list) && !looks_like4(list) => Family::Ipv6,
        _ => socket,
    }
}

/// The family of the entries of `peers` in an answer over HTTP: IPv4 (BEP 23), unless the list can
/// only be IPv6. `None` if it may be either.
///
/// The evidence, the strongest first: another list for IPv6, bytes that make no sense as IPv4, the
/// socket, the number of entries, and the members that the answer claims.
pub(crate) fn family_of_peers(list: &[u8], beside: Beside) -> Option<Family> {
    if beside.has_other || !fits6(list) || !looks_like6(list) {
        return Some(Family::Ipv4);
    }
    if !looks_like4(list) {
        return Some(Family::Ipv6);
    }
    if beside.socket == Family::Ipv4 {
        return Some(Family::Ipv4);
    }
    if list.len() / ENTRY6 >= ENOUGH6 {
        return Some(Family::Ipv6);
    }
    Some(match beside.members? as usize >= list.len() / ENTRY4 {
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

#[cfg(test)]
mod tests {
    use super::*;

    const OVER6: Beside = Beside {
        socket: Family::Ipv6,
        has_other: false,
        members: None,
    };
    const OVER4: Beside = Beside {
        socket: Family::Ipv4,
        ..OVER6
    };

    const FOUR: [u8; 6] = [81, 2, 3, 4, 5, 6];
    /// An IPv6 entry that makes no sense as IPv4.
    const PLAIN6: [u8; 18] = *b"\x2a\x01\x04\xf8\0\0\0\0\0\0\0\0\0\0\0\x02\x1a\xe1";
    /// An IPv6 entry whose bytes are three IPv4 entries as well.
    const DENSE6: [u8; 18] = *b"\x2a\x01\x04\xf8abcdefghijkl\x1a\xe1";

    #[test]
    fn a_list_that_makes_sense_for_one_family_is_of_that_family() {
        for beside in [OVER4, OVER6] {
            let of = |list: &[u8]| family_of_peers(list, beside);
            assert_eq!(of(&[]), Some(Family::Ipv4));
            assert_eq!(of(&FOUR.repeat(3)), Some(Family::Ipv4));
            assert_eq!(of(&FOUR.repeat(4)), Some(Family::Ipv4));
            assert_eq!(of(&PLAIN6), Some(Family::Ipv6));
            assert_eq!(of(&PLAIN6.repeat(2)), Some(Family::Ipv6));
        }
    }

    #[test]
    fn a_list_that_may_be_either_is_decided_by_what_is_beside_it() {
        let two = DENSE6.repeat(2);
        assert_eq!(family_of_peers(&two, OVER6), Some(Family::Ipv6));
        assert_eq!(family_of_peers(&two, OVER4), Some(Family::Ipv4));
        let has_other = true;
        let beside = Beside { has_other, ..OVER6 };
        assert_eq!(family_of_peers(&two, beside), Some(Family::Ipv4));
        for (members, expected) in [
            (None, None),
            (Some(0), Some(Family::Ipv6)),
            (Some(2), Some(Family::Ipv6)),
            (Some(3), Some(Family::Ipv4)),
        ] {
            let beside = Beside { members, ..OVER6 };
            assert_eq!(family_of_peers(&DENSE6, beside), expected, "{members:?}");
        }
    }

    #[test]
    fn over_udp_the_socket_decides_what_the_bytes_do_not() {
        for socket in Family::ALL {
            assert_eq!(family_of(&DENSE6, socket), socket);
            assert_eq!(family_of(&[], socket), socket);
            assert_eq!(family_of(&PLAIN6, socket), Family::Ipv6);
            assert_eq!(family_of(&FOUR.repeat(3), socket), Family::Ipv4);
        }
    }
}
