//! Which claimed peers count.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::own::{OwnAddresses, OwnEntry};
use crate::snapshot::Rejection;
use seedwatch_clock::Mono;
use seedwatch_torrent::address::Accept;
use seedwatch_torrent::{Endpoint4, Endpoint6};
use seedwatch_tracker::{AnnounceResponse, AnnounceStrategy};

/// Peers that are checked together, without a branch per peer.
const BATCH: usize = 16;

/// Lets pass the claimed peers that count: routable, with a port, not our own.
#[derive(Debug)]
pub(super) struct PeerFilter {
    /// Whether private and loopback addresses count.
    pub(super) accept: Accept,
    pub(super) own: OwnAddresses,
    /// Claimed peers that do not count, by [`Rejection::index`].
    pub(super) rejected: [u64; Rejection::ALL.len()],
    /// The ports that we announce to trackers, by family.
    pub(super) ports: [u16; 2],
    /// Until when trackers may list us although our announces were withdrawn.
    pub(super) own_listed_until: Mono,
}

impl PeerFilter {
    /// Returns a filter that does not know our own addresses yet.
    pub(super) fn new(accept: Accept, ports: [u16; 2]) -> Self {
        Self {
            accept,
            own: OwnAddresses::default(),
            rejected: [0; Rejection::ALL.len()],
            ports,
            own_listed_until: Mono::default(),
        }
    }

    /// Returns the marks of our own entry if it may be in the list of an answer.
    pub(super) fn own_entry(&self, answer: &AnnounceResponse, now: Mono) -> Option<OwnEntry> {
        let is_joined = answer.strategy == AnnounceStrategy::StartThenStop;
        let may_be_listed = is_joined || now < self.own_listed_until;
        may_be_listed.then(|| OwnEntry::of(answer, self.ports))
    }

    /// Counts claimed peers that do not count.
    pub(super) fn reject(&mut self, reason: Rejection, peers: u64) {
        self.rejected[reason.index()] += peers;
    }

    /// Puts the addresses that count into `kept`, in their order and with repetitions. `own_entry`
    /// is given if our own entry may be in the list.
    pub(super) fn keep_v4(
        &mut self,
        claimed: &[Endpoint4],
        own_entry: Option<OwnEntry>,
        kept: &mut Vec<u32>,
    ) {
        kept.clear();
        kept.reserve(claimed.len());
        let ours = own_entry.and_then(|own_entry| own_entry.find_v4(claimed, &self.own));
        let our_port = ours.map_or(0, |ours| ours.port);
        for batch in claimed.chunks(BATCH) {
            // Most batches hold only peers that count. The others are checked peer by peer.
            let is_suspect = batch.iter().fold(false, |is_suspect, peer| {
                is_suspect
                    | (peer.port == 0)
                    | (peer.port == our_port)
                    | self.own.may_contain_v4(peer.ip)
                    | !self.accepts_v4(Ipv4Addr::from_bits(peer.ip))
            });
            if !is_suspect {
                kept.extend(batch.iter().map(|peer| peer.ip));
                continue;
            }
            for peer in batch {
                match self.rejection_v4(*peer, ours) {
                    Some(reason) => self.reject(reason, 1),
                    None => kept.push(peer.ip),
                }
            }
        }
    }

    #[cold]
    fn rejection_v4(&self, peer: Endpoint4, ours: Option<Endpoint4>) -> Option<Rejection> {
        if peer.port == 0 {
            Some(Rejection::Port)
        } else if self.own.contains_v4(peer.ip) || ours == Some(peer) {
            Some(Rejection::Own)
        } else if !self.accepts_v4(Ipv4Addr::from_bits(peer.ip)) {
            Some(Rejection::Bogon)
        } else {
            None
        }
    }

    /// Puts the /64 prefixes of the IPv6 peers that count into `kept`, as [`PeerFilter::keep_v4`]
    /// does.
    pub(super) fn keep_v6(
        &mut self,
        claimed: &[Endpoint6],
        own_entry: Option<OwnEntry>,
        kept: &mut Vec<u64>,
    ) {
        kept.clear();
        let ours = own_entry.and_then(|own_entry| own_entry.find_v6(claimed, &self.own));
        for peer in claimed {
            let rejection = if peer.port == 0 {
                Some(Rejection::Port)
            } else if self.own.contains_v6(peer.ip) || ours == Some(*peer) {
                Some(Rejection::Own)
            } else if !self.accepts_v6(Ipv6Addr::from_bits(peer.ip)) {
                Some(Rejection::Bogon)
            } else {
                None
            };
            match rejection {
                Some(reason) => self.reject(reason, 1),
                None => kept.push((peer.ip >> 64) as u64),
            }
        }
    }

    #[inline]
    fn accepts_v4(&self, ip: Ipv4Addr) -> bool {
        self.accept.admits_v4(ip)
    }

    fn accepts_v6(&self, ip: Ipv6Addr) -> bool {
        self.accept.admits_v6(ip)
    }
}
