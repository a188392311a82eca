//! Nodes that surround one info-hash to hide its swarm, each in a network of its own.

use std::net::SocketAddr;

use super::addresses::Addresses;
use super::chance::{hash, unit};
use super::ids::Id;
use super::settings::Net;

/// The first /24 (IPv6: /64) of theirs: clusters of other liars live below.
const FIRST: u8 = 201;

/// How the nodes that surround an info-hash answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mask {
    /// With a token and each other, and without peers.
    Empty,
    /// With a token and nodes that are closer than honest ones and never answer.
    DeadEnds,
    /// With peers that do not exist.
    Invented,
    /// With neither peers nor nodes.
    Mute,
}

/// An attack on one info-hash.
#[derive(Debug, Clone)]
pub struct Eclipse {
    /// What is to be hidden.
    pub target: [u8; 20],
    /// How far from it each node lies, as a share of the key space; at most 54.
    pub shares: Vec<f64>,
    /// Each honest node knows each of them with this probability, and names those that are close
    /// to what it is asked for.
    pub known: f64,
    /// How they answer.
    pub mask: Mask,
}

impl Eclipse {
    /// The node at an address of a cluster of liars.
    pub(super) fn member(&self, cluster: u8) -> Option<usize> {
        let member = usize::from(cluster.checked_sub(FIRST)?);
        (member < self.shares.len()).then_some(member)
    }

    /// Id and address of a node of the attack.
    pub(super) fn contact(&self, member: usize, addresses: &Addresses) -> (Id, SocketAddr) {
        let id = self.id(self.shares[member], member as u64);
        (id, addresses.of_sybil(FIRST + member as u8, 7))
    }

    /// All of them.
    pub(super) fn contacts(&self, addresses: &Addresses) -> Vec<(Id, SocketAddr)> {
        let members = 0..self.shares.len();
        members
            .map(|member| self.contact(member, addresses))
            .collect()
    }

    /// Nodes that do not exist, about as close.
    pub(super) fn dead_ends(&self, member: usize, net: Net) -> Vec<(Id, SocketAddr)> {
        let address = |n: u8| -> SocketAddr {
            match net {
                Net::V4 => ([127, 255, member as u8, n + 1], 6881).into(),
                Net::V6 => ([0xfd77, 0, 0, 0, 1, 0, member as u16, n.into()], 6881).into(),
            }
        };
        let share = self.shares.iter().copied().fold(0.0, f64::max);
        let number = |n: u8| 1_000 + member as u64 * 8 + u64::from(n);
        let id = |n: u8| self.id(share * (1.0 + f64::from(n) / 8.0), number(n));
        (0..8).map(|n| (id(n), address(n))).collect()
    }

    /// Those that an honest node knows.
    pub(super) fn known_by(&self, node: usize, addresses: &Addresses) -> Vec<(Id, SocketAddr)> {
        let known = |member: &usize| unit(hash(77, node as u64, *member as u64)) < self.known;
        let members = (0..self.shares.len()).filter(known);
        members
            .map(|member| self.contact(member, addresses))
            .collect()
    }

    /// An id so far from the target.
    fn id(&self, share: f64, number: u64) -> Id {
        let mut id = self.target;
        let distance = (share * 2f64.powi(64)) as u64;
        for (byte, turned) in id.iter_mut().zip(distance.to_be_bytes()) {
            *byte ^= turned;
        }
        id[12..].copy_from_slice(&hash(78, number, 0).to_be_bytes());
        id
    }
}
