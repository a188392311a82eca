//! Trackers and a DHT node that follow a script: wrong counts, malformed answers, silence.

mod http;
mod node;
mod udp;

pub(crate) use http::{HttpTracker, Reply, Request, body, ok};
pub(crate) use node::DhtNode;
pub(crate) use udp::{Packet, UdpRequest, UdpTracker, honest, refusal};

use std::net::SocketAddr;

/// The state of a swarm as an honest tracker reports it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Truth {
    pub(crate) seeders: u32,
    pub(crate) leechers: u32,
    pub(crate) peers: Vec<SocketAddr>,
    pub(crate) interval: u32,
}

impl Truth {
    /// Returns a swarm of leechers, all listed, with an interval of 1800 s.
    pub(crate) fn of(peers: impl IntoIterator<Item = SocketAddr>) -> Self {
        let peers: Vec<SocketAddr> = peers.into_iter().collect();
        Self {
            seeders: 0,
            leechers: u32::try_from(peers.len()).unwrap(),
            peers,
            interval: 1800,
        }
    }

    /// Returns the peers of one family in compact form (BEP 23, BEP 7).
    fn compact(&self, v6: bool) -> Vec<u8> {
        let mut list = Vec::new();
        for peer in self.peers.iter().filter(|peer| peer.is_ipv6() == v6) {
            match peer.ip() {
                std::net::IpAddr::V4(ip) => list.extend(ip.octets()),
                std::net::IpAddr::V6(ip) => list.extend(ip.octets()),
            }
            list.extend(peer.port().to_be_bytes());
        }
        list
    }
}
