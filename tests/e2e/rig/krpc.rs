//! Queries to DHT nodes (BEP 5), without the product's codec.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use seedwatch_torrent::bencode::{Dict, Value};

use super::wire::Hash;

/// The node id that the client sends to all nodes.
const ID: &[u8; 20] = b"an observer of a DHT";
/// Nodes queried at once. Their responses fit into a receive buffer of any size.
const BATCH: usize = 50;
/// Queries to a node, spaced by [`PATIENCE`], before it counts as silent.
const ATTEMPTS: usize = 4;
const PATIENCE: Duration = Duration::from_millis(400);

/// A read-only DHT client (BEP 43): it queries nodes and answers none.
pub(crate) struct DhtClient {
    socket: UdpSocket,
}

impl DhtClient {
    /// Binds to this address and any port.
    pub(crate) fn at(source: Ipv4Addr) -> Self {
        let socket = UdpSocket::bind((source, 0)).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket }
    }

    /// Returns the nodes that answer a ping.
    pub(crate) fn ping(&self, nodes: &[SocketAddr]) -> BTreeSet<SocketAddr> {
        let mut alive = BTreeSet::new();
        self.request(nodes, &query(b"ping", b""), |node, _| {
            alive.insert(node);
        });
        alive
    }

    /// Returns the peers that the nodes list for an info-hash.
    pub(crate) fn peers(&self, nodes: &[SocketAddr], hash: &Hash) -> BTreeSet<SocketAddr> {
        let mut peers = BTreeSet::new();
        let asked = [b"9:info_hash20:", &hash[..]].concat();
        self.request(nodes, &query(b"get_peers", &asked), |_, answer| {
            let values = answer.get(b"values").and_then(|values| values.as_list());
            let values = values.into_iter().flat_map(|values| values.iter());
            peers.extend(values.map(|value| endpoint(value.as_bytes().unwrap())));
        });
        peers
    }

    /// Returns the nodes that the given nodes name in response to `find_node` for this id.
    pub(crate) fn named(&self, nodes: &[SocketAddr], target: &Hash) -> BTreeSet<SocketAddr> {
        let mut named = BTreeSet::new();
        let asked = [b"6:target20:", &target[..]].concat();
        self.request(nodes, &query(b"find_node", &asked), |_, answer| {
            let contacts = answer.get(b"nodes").and_then(|nodes| nodes.as_bytes());
            let contacts = contacts.unwrap_or_default().chunks_exact(26);
            named.extend(contacts.map(|contact| endpoint(&contact[20..])));
        });
        named
    }

    /// Sends a ping `times` times and ignores the responses.
    pub(crate) fn flood(&self, node: SocketAddr, times: usize) {
        for _ in 0..times {
            self.socket.send_to(&query(b"ping", b""), node).unwrap();
        }
        while self.socket.recv(&mut [0; 1500]).is_ok() {}
    }

    /// Queries every node until it answers, at most [`ATTEMPTS`] times.
    fn request(
        &self,
        nodes: &[SocketAddr],
        query: &[u8],
        mut on_answer: impl FnMut(SocketAddr, Dict<'_>),
    ) {
        for batch in nodes.chunks(BATCH) {
            let mut silent: BTreeSet<SocketAddr> = batch.iter().copied().collect();
            for _ in 0..ATTEMPTS {
                for node in &silent {
                    self.socket.send_to(query, node).unwrap();
                }
                let mut bytes = [0; 4096];
                while !silent.is_empty()
                    && let Ok((length, from)) = self.socket.recv_from(&mut bytes)
                {
                    let Ok((Value::Dict(message), _)) = Value::parse(&bytes[..length]) else {
                        panic!("{from} sent a malformed message");
                    };
                    if let Some(Value::Dict(answer)) = message.get(b"r")
                        && silent.remove(&from)
                    {
                        on_answer(from, answer);
                    }
                }
            }
        }
    }
}

fn query(method: &[u8], arguments: &[u8]) -> Vec<u8> {
    let length = method.len().to_string();
    [
        b"d1:ad2:id20:",
        &ID[..],
        arguments,
        b"e1:q",
        length.as_bytes(),
        b":",
        method,
        b"2:roi1e1:t2:aa1:y1:qe",
    ]
    .concat()
}

fn endpoint(bytes: &[u8]) -> SocketAddr {
    let [a, b, c, d, high, low] = *bytes else {
        panic!("not an IPv4 endpoint: {bytes:?}");
    };
    let port = u16::from_be_bytes([high, low]);
    SocketAddr::new(IpAddr::from([a, b, c, d]), port)
}
