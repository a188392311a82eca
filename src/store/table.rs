//! The section `dht`: nodes that answered, from which the DHT starts after a restart.
//!
//! ```text
//! number of IPv4 nodes 2 | IPv4 nodes, 26 each | IPv6 nodes, 38 each
//! ```
//!
//! A node is its id, address and port, as in compact node info (BEP 5, BEP 32).

use std::net::SocketAddr;

use seedwatch_dht::Contact;
use seedwatch_dht::krpc::{NODE_4, NODE_6, contacts4, contacts6};

/// The version of this section.
pub(super) const VERSION: u16 = 1;
/// Most nodes saved.
pub const MAX_CONTACTS: usize = 4096;

/// Encodes the first [`MAX_CONTACTS`], IPv4 before IPv6.
pub(super) fn encode(contacts: &[Contact]) -> Vec<u8> {
    let (mut v4, mut v6) = (Vec::new(), Vec::new());
    let mut count: u16 = 0;
    for Contact { id, address } in contacts.iter().take(MAX_CONTACTS) {
        let to = match address {
            SocketAddr::V4(_) => {
                count += 1;
                &mut v4
            }
            SocketAddr::V6(_) => &mut v6,
        };
        to.extend_from_slice(&id.0);
        match address {
            SocketAddr::V4(at) => to.extend_from_slice(&at.ip().octets()),
            SocketAddr::V6(at) => to.extend_from_slice(&at.ip().octets()),
        }
        to.extend_from_slice(&address.port().to_be_bytes());
    }
    [&count.to_be_bytes()[..], &v4, &v6].concat()
}

/// Returns `None` if the length is wrong or there are more than [`MAX_CONTACTS`].
pub(super) fn decode(payload: &[u8]) -> Option<Vec<Contact>> {
    let (count, rest) = payload.split_first_chunk::<2>()?;
    let count = usize::from(u16::from_be_bytes(*count));
    let (v4, v6) = rest.split_at_checked(count * NODE_4)?;
    let whole = v6.len().is_multiple_of(NODE_6);
    if !whole || count + v6.len() / NODE_6 > MAX_CONTACTS {
        return None;
    }
    let v4 = contacts4(v4).map(|(id, at)| (id, SocketAddr::V4(at)));
    let v6 = contacts6(v6).map(|(id, at)| (id, SocketAddr::V6(at)));
    let contacts = v4.chain(v6);
    Some(
        contacts
            .map(|(id, address)| Contact { id, address })
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use seedwatch_dht::NodeId;
    use std::net::IpAddr;

    fn contact(id: u8, address: &str) -> Contact {
        Contact {
            id: NodeId([id; 20]),
            address: address.parse().unwrap(),
        }
    }

    #[test]
    fn a_node_takes_26_or_38_bytes() {
        let v4 = contact(1, "192.0.2.1:6881");
        let v6 = contact(2, "[2001:db8::1]:6881");
        assert_eq!(encode(&[]).len(), 2);
        assert_eq!(encode(&[v4]).len(), 2 + 26);
        assert_eq!(encode(&[v6, v4]).len(), 2 + 26 + 38);
        assert_eq!(decode(&encode(&[v6, v4])), Some(vec![v4, v6]));
        assert_eq!(decode(&encode(&[])), Some(vec![]));
    }

    #[test]
    fn nodes_are_bounded() {
        let many = vec![contact(1, "192.0.2.1:6881"); MAX_CONTACTS + 1];
        let kept = decode(&encode(&many)).unwrap();
        assert_eq!(kept, many[1..]);
        let count = (MAX_CONTACTS as u16 + 1).to_be_bytes();
        let more = [&count[..], &[7; NODE_4 * (MAX_CONTACTS + 1)]].concat();
        assert_eq!(decode(&more), None);
    }

    #[test]
    fn truncated_tables_are_rejected() {
        let whole = encode(&[contact(1, "192.0.2.1:1"), contact(2, "[2001:db8::1]:2")]);
        for end in (0..whole.len()).filter(|end| *end != 2 + NODE_4) {
            assert_eq!(decode(&whole[..end]), None, "{end}");
        }
    }

    proptest! {
        #[test]
        fn decoding_reverses_encoding(nodes: Vec<([u8; 20], IpAddr, u16)>) {
            let mut nodes: Vec<Contact> = nodes
                .into_iter()
                .map(|(id, ip, port)| Contact { id: NodeId(id), address: (ip, port).into() })
                .collect();
            nodes.sort_by_key(|node| node.address.is_ipv6());
            prop_assert_eq!(decode(&encode(&nodes)), Some(nodes));
        }

        #[test]
        fn valid_bytes_encode_to_themselves(payload: Vec<u8>) {
            if let Some(nodes) = decode(&payload) {
                prop_assert_eq!(encode(&nodes), payload);
            }
        }
    }
}
