//! Which claimed peers count.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::own::OwnAddresses;
use super::row::Rejection;
use crate::address::{self, Accept};
use crate::observation::{Endpoint4, Endpoint6, Manner, TrackerId};

/// Lets peers pass that count: routable, with a port, not ourselves.
#[derive(Debug)]
pub struct Filter {
    /// Whether private and loopback peers count.
    pub accept: Accept,
    /// Our own addresses.
    pub own: OwnAddresses,
    /// Peers thrown away, by [`Rejection::index`].
    pub rejected: [u64; 4],
    /// The port that we claim to trackers.
    port: u16,
    /// Room for one answer, used again for the next.
    kept4: Vec<u32>,
    /// Room for one answer, used again for the next.
    kept6: Vec<u64>,
}

impl Filter {
    /// A filter that knows nothing of our addresses yet.
    pub fn new(accept: Accept, port: u16) -> Self {
        let own = OwnAddresses::default();
        Self {
            accept,
            own,
            rejected: [0; 4],
            port,
            kept4: Vec::new(),
            kept6: Vec::new(),
        }
    }

    /// The addresses that count: sorted, each once.
    pub fn keep4(&mut self, claimed: &[Endpoint4], from: (TrackerId, Manner)) -> &[u32] {
        self.kept4.clear();
        for peer in claimed {
            let ip = Ipv4Addr::from_bits(peer.ip);
            let rejection = if peer.port == 0 {
                Some(Rejection::Port)
            } else if self.own.contains4(peer.ip) {
                Some(Rejection::Own)
            } else if !self.routable4(ip) {
                Some(Rejection::Bogon)
            } else {
                self.own_entry(IpAddr::V4(ip), peer.port, from)
            };
            match rejection {
                Some(reason) => self.rejected[reason.index()] += 1,
                None => self.kept4.push(peer.ip),
            }
        }
        self.kept4.sort_unstable();
        self.kept4.dedup();
        &self.kept4
    }

    /// The /64 prefixes that count: sorted, each once.
    pub fn keep6(&mut self, claimed: &[Endpoint6], from: (TrackerId, Manner)) -> &[u64] {
        self.kept6.clear();
        for peer in claimed {
            let ip = Ipv6Addr::from_bits(peer.ip);
            let prefix = (peer.ip >> 64) as u64;
            let rejection = if peer.port == 0 {
                Some(Rejection::Port)
            } else if self.own.contains6(prefix) {
                Some(Rejection::Own)
            } else if !self.routable6(ip) {
                Some(Rejection::Bogon)
            } else {
                self.own_entry(IpAddr::V6(ip), peer.port, from)
            };
            match rejection {
                Some(reason) => self.rejected[reason.index()] += 1,
                None => self.kept6.push(prefix),
            }
        }
        self.kept6.sort_unstable();
        self.kept6.dedup();
        &self.kept6
    }

    /// Where we announced ourselves (`started`), an entry with our random port is us: trackers
    /// such as opentracker show us our own entry, under the address that they see (NAT).
    fn own_entry(&mut self, ip: IpAddr, port: u16, from: (TrackerId, Manner)) -> Option<Rejection> {
        let (tracker, manner) = from;
        if manner != Manner::Brief || port != self.port {
            return None;
        }
        self.own.claim(tracker, ip);
        Some(Rejection::Own)
    }

    fn routable4(&self, ip: Ipv4Addr) -> bool {
        match self.accept {
            Accept::Global => address::is_global_v4(ip),
            Accept::Any => !ip.is_unspecified() && !ip.is_multicast() && !ip.is_broadcast(),
        }
    }

    fn routable6(&self, ip: Ipv6Addr) -> bool {
        match self.accept {
            Accept::Global => address::is_global_v6(ip),
            Accept::Any => !ip.is_unspecified() && !ip.is_multicast(),
        }
    }
}
