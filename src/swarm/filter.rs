//! Which claimed peers count.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::own::OwnAddresses;
use super::row::Rejection;
use crate::address::Accept;
use crate::observation::{Endpoint4, Endpoint6, Manner, TrackerId};

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
    /// The port that we claim to trackers.
    port: u16,
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
        }
    }

    /// Puts the addresses that count into `kept`, in the order and as often as they came.
    pub fn keep4(
        &mut self,
        claimed: &[Endpoint4],
        from: Option<(TrackerId, Manner)>,
        kept: &mut Vec<u32>,
    ) {
        kept.clear();
        kept.reserve(claimed.len());
        let claimed_port = match from {
            Some((_, Manner::Brief)) => self.port,
            _ => 0,
        };
        for part in claimed.chunks(PART) {
            // Most parts hold nothing odd; one that does is looked at peer by peer.
            let odd = part.iter().fold(false, |odd, peer| {
                odd | (peer.port == 0)
                    | (peer.port == claimed_port)
                    | self.own.may_contain4(peer.ip)
                    | !self.routable4(Ipv4Addr::from_bits(peer.ip))
            });
            if !odd {
                kept.extend(part.iter().map(|peer| peer.ip));
                continue;
            }
            for peer in part {
                match self.reject4(*peer, from) {
                    Some(reason) => self.rejected[reason.index()] += 1,
                    None => kept.push(peer.ip),
                }
            }
        }
    }

    #[cold]
    fn reject4(&mut self, peer: Endpoint4, from: Option<(TrackerId, Manner)>) -> Option<Rejection> {
        let ip = Ipv4Addr::from_bits(peer.ip);
        if peer.port == 0 {
            Some(Rejection::Port)
        } else if self.own.contains4(peer.ip) {
            Some(Rejection::Own)
        } else if !self.routable4(ip) {
            Some(Rejection::Bogon)
        } else {
            self.own_entry(IpAddr::V4(ip), peer.port, from)
        }
    }

    /// Puts the /64 prefixes that count into `kept`, in the order and as often as they came.
    pub fn keep6(
        &mut self,
        claimed: &[Endpoint6],
        from: Option<(TrackerId, Manner)>,
        kept: &mut Vec<u64>,
    ) {
        kept.clear();
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
                None => kept.push(prefix),
            }
        }
    }

    /// Where we announced ourselves (`started`), an entry with our random port is us: trackers
    /// such as opentracker show us our own entry, under the address that they see (NAT).
    /// In the DHT we announce nothing.
    fn own_entry(
        &mut self,
        ip: IpAddr,
        port: u16,
        from: Option<(TrackerId, Manner)>,
    ) -> Option<Rejection> {
        let (tracker, manner) = from?;
        if manner != Manner::Brief || port != self.port {
            return None;
        }
        self.own.claim(tracker, ip);
        Some(Rejection::Own)
    }

    #[inline]
    fn routable4(&self, ip: Ipv4Addr) -> bool {
        self.accept.admits_v4(ip)
    }

    fn routable6(&self, ip: Ipv6Addr) -> bool {
        self.accept.admits_v6(ip)
    }
}
