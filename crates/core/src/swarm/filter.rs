//! Which claimed peers count.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::own::{OwnAddresses, OwnEntry};
use super::row::Rejection;
use seedwatch_torrent::address::Accept;
use seedwatch_torrent::{Endpoint4, Endpoint6};

/// Peers looked at together, without a branch for each.
const PART: usize = 16;

/// Lets peers pass that count: routable, with a port, not ourselves.
#[derive(Debug)]
pub struct Filter {
    /// Whether private and loopback peers count.
    pub accept: Accept,
    /// Our own addresses.
    pub own: OwnAddresses,
    /// Peers thrown away, by [`Rejection::index`].
    pub rejected: [u64; 4],
    /// The ports that we claim to trackers, by family.
    pub(super) ports: [u16; 2],
}

impl Filter {
    /// A filter that knows nothing of our addresses yet.
    pub fn new(accept: Accept, ports: [u16; 2]) -> Self {
        let own = OwnAddresses::default();
        Self {
            accept,
            own,
            rejected: [0; 4],
            ports,
        }
    }

    /// Puts the addresses that count into `kept`, in the order and as often as they came. `own_entry`
    /// is given where our own entry may be listed.
    pub(super) fn keep4(
        &mut self,
        claimed: &[Endpoint4],
        own_entry: Option<OwnEntry>,
        kept: &mut Vec<u32>,
    ) {
        kept.clear();
        kept.reserve(claimed.len());
        let ours = own_entry.and_then(|own_entry| own_entry.entry4(claimed, &self.own));
        let our_port = ours.map_or(0, |ours| ours.port);
        for part in claimed.chunks(PART) {
            // Most parts hold nothing odd; one that does is looked at peer by peer.
            let odd = part.iter().fold(false, |odd, peer| {
                odd | (peer.port == 0)
                    | (peer.port == our_port)
                    | self.own.may_contain4(peer.ip)
                    | !self.routable4(Ipv4Addr::from_bits(peer.ip))
            });
            if !odd {
                kept.extend(part.iter().map(|peer| peer.ip));
                continue;
            }
            for peer in part {
                match self.reject4(*peer, ours) {
                    Some(reason) => self.rejected[reason.index()] += 1,
                    None => kept.push(peer.ip),
                }
            }
        }
    }

    #[cold]
    fn reject4(&self, peer: Endpoint4, ours: Option<Endpoint4>) -> Option<Rejection> {
        if peer.port == 0 {
            Some(Rejection::Port)
        } else if self.own.contains4(peer.ip) || ours == Some(peer) {
            Some(Rejection::Own)
        } else if !self.routable4(Ipv4Addr::from_bits(peer.ip)) {
            Some(Rejection::Bogon)
        } else {
            None
        }
    }

    /// As [`Filter::keep4`], for the /64 prefixes of IPv6 peers.
    pub(super) fn keep6(
        &mut self,
        claimed: &[Endpoint6],
        own_entry: Option<OwnEntry>,
        kept: &mut Vec<u64>,
    ) {
        kept.clear();
        let ours = own_entry.and_then(|own_entry| own_entry.entry6(claimed, &self.own));
        for peer in claimed {
            let rejection = if peer.port == 0 {
                Some(Rejection::Port)
            } else if self.own.contains6(peer.ip) || ours == Some(*peer) {
                Some(Rejection::Own)
            } else if !self.routable6(Ipv6Addr::from_bits(peer.ip)) {
                Some(Rejection::Bogon)
            } else {
                None
            };
            match rejection {
                Some(reason) => self.rejected[reason.index()] += 1,
                None => kept.push((peer.ip >> 64) as u64),
            }
        }
    }

    #[inline]
    fn routable4(&self, ip: Ipv4Addr) -> bool {
        self.accept.admits_v4(ip)
    }

    fn routable6(&self, ip: Ipv6Addr) -> bool {
        self.accept.admits_v6(ip)
    }
}
