//! What one answer proves about the swarm.

use std::collections::HashSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::{AnnounceRequest, PeerFilter, SessionAnswer};
use crate::{AnnounceResponse, AnnounceStrategy, Counts};
use seedwatch_torrent::{Endpoint4, Endpoint6, Peers};

/// From this many peers on, two lists may be random samples of one swarm without a common peer.
const SAMPLE: usize = 20;

/// What an answer proves by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// It lists peers other than us.
    Peers,
    /// It lists peers by host name only.
    Names,
    /// It says that the swarm is empty.
    Empty,
    /// Nothing.
    None,
}

/// An answer and what it proves. If the counts are known to include us, we are subtracted.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) announced: AnnounceResponse,
    pub(super) has_list: bool,
    pub(super) proof: Proof,
}

impl Reading {
    /// Judges the answer to a request.
    pub(super) fn of(answer: SessionAnswer, to: AnnounceRequest, own: &PeerFilter) -> Self {
        let SessionAnswer {
            mut announced,
            has_list,
        } = answer;
        // A tracker may still list a process that was killed, and us beside it.
        let listed = own.entries_of_us(&announced.peers);
        let us = listed.max(u32::from(to == AnnounceRequest::Started));
        let leechers = &mut announced.counts.leechers;
        *leechers = leechers.map(|n| n.saturating_sub(us));
        let proof = if own.others(&announced.peers) {
            Proof::Peers
        } else if announced.peer_list_withheld {
            Proof::Names
        } else if says_empty(&announced, has_list, own) {
            Proof::Empty
        } else {
            Proof::None
        };
        Self {
            announced,
            has_list,
            proof,
        }
    }

    /// Returns whether the answer claims 0 seeders and 0 leechers.
    pub(super) fn counts_are_zero(&self) -> bool {
        self.announced.counts.is_empty()
    }

    /// Returns whether the answer has a list or counts of the swarm.
    pub(super) fn is_about_swarm(&self) -> bool {
        self.has_list || self.announced.counts.has_current()
    }

    /// Returns the result if the answer to the first `stopped` is the last word.
    pub(super) fn into_verdict(self, own: &PeerFilter) -> Box<AnnounceResponse> {
        let mut announced = Box::new(self.announced);
        announced.strategy = AnnounceStrategy::StoppedFirst;
        match self.proof {
            Proof::Peers => announced.peer_list_withheld = false,
            Proof::Empty => remove_us(&mut announced.peers, own),
            Proof::Names => withhold(&mut announced),
            Proof::None => {
                if !announced.counts.claims_peers() {
                    announced.counts = Counts::default();
                }
                announced.peers = Peers::default();
                withhold(&mut announced);
            }
        }
        announced
    }
}

/// Returns whether an answer without other peers proves an empty swarm.
fn says_empty(announced: &AnnounceResponse, has_list: bool, own: &PeerFilter) -> bool {
    let (peers, counts) = (&announced.peers, &announced.counts);
    let is_doubtful = announced.warning.is_some() || announced.has_absurd_counts;
    if is_doubtful || peers.malformed > 0 || peers.omitted > 0 {
        return false;
    }
    // Unusable entries may stand for peers, unless the counts are 0.
    let names_only_us = peers.v4.iter().all(|peer| own.is_port(peer.port))
        && peers.v6.iter().all(|peer| own.is_port(peer.port));
    counts.is_empty() || has_list && names_only_us && !counts.claims_peers()
}

/// Notes that the list of an answer is not known. Counts of 0 prove no more than an empty list.
pub(super) fn withhold(announced: &mut AnnounceResponse) {
    announced.peer_list_withheld = true;
    if announced.counts.is_empty() {
        announced.counts.seeders = None;
        announced.counts.leechers = None;
    }
}

/// Removes entries with our ports.
pub(super) fn remove_us(peers: &mut Peers, own: &PeerFilter) {
    peers.v4.retain(|peer| !own.is_port(peer.port));
    peers.v6.retain(|peer| !own.is_port(peer.port));
}

/// Returns whether a list has an entry with one of our ports.
pub(super) fn lists_us(peers: &Peers, own: &PeerFilter) -> bool {
    peers.v4.iter().any(|peer| own.is_port(peer.port))
        || peers.v6.iter().any(|peer| own.is_port(peer.port))
}

impl PeerFilter {
    fn is_port(&self, port: u16) -> bool {
        self.ports.contains(&port)
    }

    /// Returns whether a list has a peer other than us. At most one address of each family is ours,
    /// so a second address with our port is a peer.
    pub(super) fn others(&self, peers: &Peers) -> bool {
        let v4 = peers.v4.iter().filter(|peer| {
            let ip = Ipv4Addr::from_bits(peer.ip);
            peer.port != 0 && self.accept.admits_v4(ip)
        });
        let v6 = peers.v6.iter().filter(|peer| {
            let ip = Ipv6Addr::from_bits(peer.ip);
            peer.port != 0 && self.accept.admits_v6(ip)
        });
        self.names_another(v4.map(|peer| (peer.ip.into(), peer.port)))
            || self.names_another(v6.map(|peer| (peer.ip, peer.port)))
    }

    /// Returns how often a list has our address of the family that it lists more often. The first
    /// address with our port is ours.
    fn entries_of_us(&self, peers: &Peers) -> u32 {
        let v4 = peers.v4.iter().map(|peer| (peer.ip.into(), peer.port));
        let v6 = peers.v6.iter().map(|peer| (peer.ip, peer.port));
        self.count_us(v4).max(self.count_us(v6))
    }

    fn count_us(&self, entries: impl Iterator<Item = (u128, u16)>) -> u32 {
        let mut ours = None;
        let with_port = entries.filter(|(_, port)| self.is_port(*port));
        let of_us = with_port.filter(|(ip, _)| *ours.get_or_insert(*ip) == *ip);
        of_us.count() as u32
    }

    fn names_another(&self, mut entries: impl Iterator<Item = (u128, u16)>) -> bool {
        let mut ours = None;
        entries.any(|(ip, port)| !self.is_port(port) || *ours.get_or_insert(ip) != ip)
    }

    fn is_other4(&self, peer: &Endpoint4) -> bool {
        let ip = Ipv4Addr::from_bits(peer.ip);
        peer.port != 0 && !self.is_port(peer.port) && self.accept.admits_v4(ip)
    }

    fn is_other6(&self, peer: &Endpoint6) -> bool {
        let ip = Ipv6Addr::from_bits(peer.ip);
        peer.port != 0 && !self.is_port(peer.port) && self.accept.admits_v6(ip)
    }
}

/// Returns whether the answers to `stopped` and `started` list the same swarm. Peers come and go
/// between the two, and trackers send random samples of large swarms.
pub(super) fn is_same(stopped: &Peers, started: &Peers, own: &PeerFilter) -> bool {
    let (before, after) = (others(stopped, own), others(started, own));
    let is_whole = before.len() * 2 >= after.len();
    is_whole && (before.len() >= SAMPLE || !before.is_disjoint(&after))
}

/// Returns the distinct endpoints other than us, IPv4 in IPv4-mapped form (RFC 4291, 2.5.5.2).
fn others(peers: &Peers, own: &PeerFilter) -> HashSet<(u128, u16)> {
    let mapped = |ip: u32| Ipv4Addr::from_bits(ip).to_ipv6_mapped().to_bits();
    let v4 = peers.v4.iter().filter(|peer| own.is_other4(peer));
    let v6 = peers.v6.iter().filter(|peer| own.is_other6(peer));
    v4.map(|peer| (mapped(peer.ip), peer.port))
        .chain(v6.map(|peer| (peer.ip, peer.port)))
        .collect()
}
