//! Nodes and peers in a response.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddrV4, SocketAddrV6};

use super::{MAX_VALUES, NODE_4, NODE_6};
use crate::NodeId;
use seedwatch_torrent::bencode::{Items, Value};

/// Bytes of an IPv4 peer.
const PEER_4: usize = 6;
/// Bytes of an IPv6 peer (BEP 32).
const PEER_6: usize = 18;

/// Iterates over [`nodes`](super::Response::nodes). Ignores trailing bytes that are not a whole
/// node.
pub fn contacts4(nodes: &[u8]) -> impl Iterator<Item = (NodeId, SocketAddrV4)> {
    let (nodes, _) = nodes.as_chunks::<NODE_4>();
    nodes.iter().map(|node| {
        let (id, &[a, b, c, d, e, f]) = split(node);
        let port = u16::from_be_bytes([e, f]);
        (id, SocketAddrV4::new(Ipv4Addr::new(a, b, c, d), port))
    })
}

/// Iterates over [`nodes6`](super::Response::nodes6). Ignores trailing bytes that are not a whole
/// node.
pub fn contacts6(nodes: &[u8]) -> impl Iterator<Item = (NodeId, SocketAddrV6)> {
    let (nodes, _) = nodes.as_chunks::<NODE_6>();
    nodes.iter().map(|node| {
        let (id, &[ip @ .., e, f]): (_, &[u8; 18]) = split(node);
        let port = u16::from_be_bytes([e, f]);
        (id, SocketAddrV6::new(Ipv6Addr::from(ip), port, 0, 0))
    })
}

/// Splits a node into id and address; `N` is 20 + `M`.
fn split<const N: usize, const M: usize>(node: &[u8; N]) -> (NodeId, &[u8; M]) {
    const { assert!(N == 20 + M) };
    let mut id = [0; 20];
    id.copy_from_slice(&node[..20]);
    let address = node.last_chunk::<M>().unwrap_or(&[0; M]);
    (NodeId(id), address)
}

/// The peers of a response: at most [`MAX_VALUES`] strings. A peer has 6 bytes (IPv4) or 18 (IPv6).
/// Strings of other lengths are returned too, so that the caller can count them.
///
/// Old nodes send all their IPv4 peers in one string instead of a list.
#[derive(Debug, Clone, Default)]
pub struct Values<'a> {
    items: Option<Items<'a>>,
    /// IPv4 peers, one after the other.
    string: &'a [u8],
    given: usize,
}

impl<'a> Values<'a> {
    pub(super) fn of(value: Value<'a>) -> Self {
        Self {
            items: value.as_list().map(|list| list.iter()),
            string: value.as_bytes().unwrap_or_default(),
            given: 0,
        }
    }

    /// Returns whether there is a peer, or explicitly none. `value` is the value that they were
    /// read from.
    pub(super) fn are_readable(&self, value: Value<'a>) -> bool {
        let is_empty = match value {
            Value::Bytes(string) => string.is_empty(),
            value => value
                .as_list()
                .is_some_and(|list| list.iter().next().is_none()),
        };
        let is_peer = |value: &[u8]| matches!(value.len(), PEER_4 | PEER_6);
        is_empty || self.clone().any(is_peer)
    }
}

impl<'a> Iterator for Values<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        while self.given < MAX_VALUES {
            if let Some((peer, rest)) = self.string.split_at_checked(PEER_4) {
                self.string = rest;
                self.given += 1;
                return Some(peer);
            }
            let Value::Bytes(bytes) = self.items.as_mut()?.next()? else {
                continue;
            };
            match bytes.len() {
                PEER_4 | PEER_6 => {
                    self.given += 1;
                    return Some(bytes);
                }
                length if length.is_multiple_of(PEER_4) => self.string = bytes,
                _ => {
                    self.given += 1;
                    return Some(bytes);
                }
            }
        }
        None
    }
}
